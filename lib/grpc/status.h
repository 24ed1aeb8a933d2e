/* status.h - how a gRPC call ended: the numbers of gRPC's own status codes. */
#ifndef MW_GRPC_STATUS_H
#define MW_GRPC_STATUS_H

enum mw_grpc_status {
    MW_GRPC_OK = 0,
    MW_GRPC_CANCELLED = 1,
    MW_GRPC_UNKNOWN = 2,
    MW_GRPC_INVALID_ARGUMENT = 3,
    MW_GRPC_DEADLINE_EXCEEDED = 4,
    MW_GRPC_NOT_FOUND = 5,
    MW_GRPC_RESOURCE_EXHAUSTED = 8,
    MW_GRPC_FAILED_PRECONDITION = 9,
    MW_GRPC_UNIMPLEMENTED = 12,
    MW_GRPC_INTERNAL = 13,
    MW_GRPC_UNAVAILABLE = 14
};

#endif
