/* kafka_library.h - librdkafka, loaded when the first kafka: stream is opened.
 *
 * It and what it links (SASL, zstd, lz4) would cost every process some hundred kilobytes; who keeps
 * the stream in SQLite does not pay for it and need not have it. Functions are called through the
 * table mw_kafka and have librdkafka's own types and names, without "rd_kafka_". */
#ifndef MW_STREAM_KAFKA_LIBRARY_H
#define MW_STREAM_KAFKA_LIBRARY_H

#include "lib/base/error.h"

#include <librdkafka/rdkafka.h>

#define MW_KAFKA_FUNCTIONS(X)           \
    X(version)                          \
    X(version_str)                      \
    X(last_error)                       \
    X(err2str)                          \
    X(conf_new)                         \
    X(conf_destroy)                     \
    X(conf_set)                         \
    X(conf_get)                         \
    X(conf_set_opaque)                  \
    X(conf_set_log_cb)                  \
    X(conf_set_error_cb)                \
    X(new)                              \
    X(destroy_flags)                    \
    X(opaque)                           \
    X(type)                             \
    X(poll)                             \
    X(outq_len)                         \
    X(error_code)                       \
    X(error_string)                     \
    X(error_is_fatal)                   \
    X(error_is_retriable)               \
    X(error_destroy)                    \
    X(init_transactions)                \
    X(begin_transaction)                \
    X(send_offsets_to_transaction)      \
    X(commit_transaction)               \
    X(abort_transaction)                \
    X(produceva)                        \
    X(topic_new)                        \
    X(topic_destroy)                    \
    X(metadata)                         \
    X(metadata_destroy)                 \
    X(offsets_for_times)                \
    X(topic_partition_list_new)         \
    X(topic_partition_list_add)         \
    X(topic_partition_list_destroy)     \
    X(committed)                        \
    X(consumer_group_metadata_new)      \
    X(consumer_group_metadata_destroy)  \
    X(subscribe)                        \
    X(assignment)                       \
    X(consumer_poll)                    \
    X(poll_set_consumer)                \
    X(queue_get_consumer)               \
    X(consume_start)                    \
    X(consume_start_queue)              \
    X(consume_stop)                     \
    X(consume_batch)                    \
    X(consume_batch_queue)              \
    X(message_destroy)                  \
    X(message_timestamp)                \
    X(message_headers)                  \
    X(header_get_last)                  \
    X(headers_new)                      \
    X(headers_destroy)                  \
    X(header_add)                       \
    X(queue_new)                        \
    X(queue_io_event_enable)            \
    X(queue_poll)                       \
    X(queue_destroy)                    \
    X(NewTopic_new)                     \
    X(NewTopic_set_config)              \
    X(NewTopic_destroy)                 \
    X(CreateTopics)                     \
    X(event_CreateTopics_result)        \
    X(event_error)                      \
    X(event_error_string)               \
    X(event_destroy)                    \
    X(CreateTopics_result_topics)       \
    X(ConfigResource_new)               \
    X(ConfigResource_destroy)           \
    X(ConfigResource_name)              \
    X(ConfigResource_error)             \
    X(ConfigResource_configs)           \
    X(ConfigEntry_name)                 \
    X(ConfigEntry_value)                \
    X(DescribeConfigs)                  \
    X(event_DescribeConfigs_result)     \
    X(DescribeConfigs_result_resources) \
    X(topic_result_error)               \
    X(topic_result_error_string)

struct mw_kafka_library {
#define MW_KAFKA_MEMBER(name) __typeof__(rd_kafka_##name) *name;
    MW_KAFKA_FUNCTIONS(MW_KAFKA_MEMBER)
#undef MW_KAFKA_MEMBER
};

extern struct mw_kafka_library mw_kafka;

/* Loads librdkafka.so.1 once; it stays loaded. UNSUPPORTED when it is missing or too old. */
mw_err mw_kafka_library_load(struct mw_error *error);

#endif
