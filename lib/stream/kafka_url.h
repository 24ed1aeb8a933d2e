/* kafka_url.h - where a Kafka stream is and how it is reached.
 *
 *   //HOST[:PORT][,HOST[:PORT]...][/][?NAME=VALUE[&NAME=VALUE...]]
 *
 * A value may have %XX escapes. Names with their own meaning:
 *
 *   create=true|false       make topics that are missing (true)
 *   partitions=N            of a topic that is made, 1 to 10,000 (4)
 *   replication=N           copies of it, 1 to 100; 0: as the cluster does by itself (0)
 *   retention_age=MS        of its records, milliseconds; -1: for ever (-1)
 *   retention_size=BYTES    of a whole topic; -1: any (-1)
 *   config=FILE             options of librdkafka, one NAME=VALUE a line, # for comments
 *
 * Every other name is an option of librdkafka: security.protocol=ssl&ssl.ca.location=/etc/ca.pem.
 * Of a name that comes twice the last one holds; the file comes first. What the stream's promises
 * rest on (acks, isolation.level, transactional.id ...) may not be given. */
#ifndef MW_STREAM_KAFKA_URL_H
#define MW_STREAM_KAFKA_URL_H

#include "lib/base/file.h"

#include <stdint.h>

struct mw_kafka_url {
    char brokers[1024]; /* as bootstrap.servers wants them */
    bool create;
    int partitions, replication;
    int64_t retention_age, retention_size; /* milliseconds, bytes */
    struct mw_buffer options;              /* name NUL value NUL name NUL value NUL ... */
};

/* `location` is what follows "kafka:". ARGUMENT for what is malformed or out of range and for an
 * option that is not the user's; IO for a file that cannot be read. No error shows a value that
 * could be a secret. Free with mw_kafka_url_clear, after an error too. */
mw_err mw_kafka_url_parse(struct mw_kafka_url *url, const char *location, struct mw_error *error);
void mw_kafka_url_clear(struct mw_kafka_url *url);

/* The next option behind *at (0 at first); false at the end. Borrowed. */
bool mw_kafka_url_option(const struct mw_kafka_url *url, size_t *at, const char **name,
                         const char **value);

#endif
