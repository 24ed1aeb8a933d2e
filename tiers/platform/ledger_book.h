/* ledger_book.h - which numbers of a device were stored, could not be read, and were scored.
 *
 * Six bits a number, in pages. A page that is settled - every number of it stored, and all that is
 * telemetry scored - shrinks to a count, and those that adjoin to one of them, so that a book does
 * not grow with the records of a device of which all is well. The one thing that a settled page
 * forgets is which of its numbers were sketches: a score for one of those counts as a second one.
 * Pure: no files. */
#ifndef MW_PLATFORM_LEDGER_BOOK_H
#define MW_PLATFORM_LEDGER_BOOK_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_LEDGER_PAGE 256 /* numbers */
#define MW_LEDGER_WORDS (MW_LEDGER_PAGE / 64)

enum mw_ledger_mark {
    MW_LEDGER_STORED,    /* in the stream, as telemetry or sketch */
    MW_LEDGER_TELEMETRY, /* of those, what can be scored */
    MW_LEDGER_SERVED,    /* of those, what came while a model served the device */
    MW_LEDGER_DEAD,      /* a dead letter with this number, so never stored */
    MW_LEDGER_REFUSED,   /* the scorer could not use it */
    MW_LEDGER_SCORED,    /* has a score at the highest level */
    MW_LEDGER_MARKS
};

struct mw_ledger_page {
    uint64_t index; /* number / MW_LEDGER_PAGE */
    uint64_t bits[MW_LEDGER_MARKS][MW_LEDGER_WORDS];
};

/* Pages that are settled. */
struct mw_ledger_settled {
    uint64_t first, end; /* indexes of pages; end: one behind the last */
    uint64_t telemetry;  /* numbers with a score; the others were sketches */
};

/* The numbers of one boot of a device. */
struct mw_ledger_boot {
    uint32_t boot;
    uint64_t given;               /* numbers that the thing says it gave out in this boot */
    uint64_t end;                 /* one behind the highest number stored or dead */
    struct mw_ledger_page **page; /* by index, ascending */
    size_t n_pages, capacity;
    struct mw_ledger_settled *settled; /* ascending */
    size_t n_settled;
};

struct mw_ledger_book {
    struct mw_ledger_boot *boot; /* ascending */
    size_t n_boots;
};

/* The entry of a boot, made when it is new; NULL when memory is out. Valid until the next call. */
struct mw_ledger_boot *mw_ledger_book_boot(struct mw_ledger_book *book, uint32_t boot);

/* Sets a mark; *again says that it was there already. MEMORY. */
mw_err mw_ledger_book_mark(struct mw_ledger_book *book, uint32_t boot, uint64_t seq,
                           enum mw_ledger_mark mark, bool *again);

struct mw_ledger_count {
    uint64_t stored, dead;     /* distinct numbers; dead: and never stored */
    uint64_t lost;             /* neither, though later ones or the position say it was taken */
    uint64_t pending;          /* given out and not yet taken, or ahead of the position */
    uint64_t scored, unscored; /* telemetry with a score; without, before a model served */
    uint64_t awaiting;         /* telemetry without a score that is owed one, behind the last */
    uint64_t unscorable;       /* stored, but the scorer could not use it */
    uint64_t unscored_between; /* telemetry that the scorer passed over */
    uint32_t newest_boot;      /* 0 when there is none */
};

/* Counts a book against a position: all numbers before (boot, next) were taken. What lacks behind
 * it, though later numbers were found, is pending: the records were read after the position, and it
 * takes the position that came with them to tell whether it was given up. has_position false: none
 * is known, and what lacks is lost. */
void mw_ledger_book_count(const struct mw_ledger_book *book, bool has_position, uint32_t boot,
                          uint64_t next, struct mw_ledger_count *count);

void mw_ledger_book_clear(struct mw_ledger_book *book);

#endif
