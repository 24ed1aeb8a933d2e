/* ledger_source.h - what a plant's stream says of each device, as small events.
 *
 * Reads the topics telemetry, sketch, dead, status and score and the bridge's positions. Holds
 * nothing of a device. */
#ifndef MW_PLATFORM_LEDGER_SOURCE_H
#define MW_PLATFORM_LEDGER_SOURCE_H

#include "core/span.h"
#include "core/wire/message.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mw_ledger_kind {
    MW_LEDGER_IS_POSITION, /* (boot, seq): the next number; count: stored, dead, skipped,
                              dropped by the bridge, merged */
    MW_LEDGER_IS_STORED,   /* telemetry; flag: a model served all devices */
    MW_LEDGER_IS_SKETCH,   /* count: records suppressed, sketches that it holds besides itself */
    MW_LEDGER_IS_UNNUMBERED,
    MW_LEDGER_IS_DEAD,
    MW_LEDGER_IS_DEAD_UNNUMBERED,
    MW_LEDGER_IS_REFUSED, /* by the scorer */
    MW_LEDGER_IS_SCORED,  /* at the highest level */
    MW_LEDGER_IS_STATUS,  /* seq: numbers given out in boot; count: published, dropped */
    MW_LEDGER_IS_SERVED   /* flag: a model of its own serves the device from now on */
};

/* What a status may leave out. */
#define MW_LEDGER_SAYS_PUBLISHED 1
#define MW_LEDGER_SAYS_DROPPED 2

struct mw_ledger_event {
    uint64_t seq;
    int64_t appended; /* microseconds UTC */
    uint32_t boot;
    uint16_t kind, flag;
    uint64_t count[5]; /* of the kinds that have any: see mw_ledger_event_size */
};

/* Bytes from the event's start that mean something. */
size_t mw_ledger_event_size(const struct mw_ledger_event *event);

struct mw_ledger_source {
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_wire_parser *parser;
    void *memory;
    int64_t served; /* a model for all that have none of their own, since; 0: none */
    size_t shares;  /* bridges of the plant */
    bool kafka;     /* the stream is there */
    bool reading;   /* positions were given, and the end not reached since */
    bool whole;     /* the end was reached once; then: */
    uint64_t removed, removed_dead; /* by age or size, before they could be read here */
};

/* Opens the plant's stream for reading; clear with mw_ledger_source_fini, after an error too. */
mw_err mw_ledger_source_init(struct mw_ledger_source *source, const struct mw_plant *plant,
                             struct mw_error *error);
void mw_ledger_source_fini(struct mw_ledger_source *source);

/* Takes an event; `device` is a valid name, borrowed for the call. */
typedef mw_err mw_ledger_event_fn(void *context, struct mw_span device,
                                  const struct mw_ledger_event *event, struct mw_error *error);

/* Reads about `records` more records, all positions before the first of them, and gives what they
 * say to fn, in the order of append. *more false: the end was reached. Ends with fn's error. */
mw_err mw_ledger_source_read(struct mw_ledger_source *source, size_t records,
                             mw_ledger_event_fn *fn, void *context, bool *more,
                             struct mw_error *error);

#endif
