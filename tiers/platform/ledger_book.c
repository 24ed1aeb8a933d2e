#include "tiers/platform/ledger_book.h"

#include <stdlib.h>
#include <string.h>

struct mw_ledger_boot *mw_ledger_book_boot(struct mw_ledger_book *book, uint32_t boot)
{
    size_t i = book->n_boots;
    while (i > 0 && book->boot[i - 1].boot > boot) {
        i--;
    }
    if (i > 0 && book->boot[i - 1].boot == boot) {
        return &book->boot[i - 1];
    }
    struct mw_ledger_boot *more = realloc(book->boot, (book->n_boots + 1) * sizeof *more);
    if (more == NULL) {
        return NULL;
    }
    book->boot = more;
    memmove(&more[i + 1], &more[i], (book->n_boots - i) * sizeof *more);
    more[i] = (struct mw_ledger_boot){.boot = boot};
    book->n_boots++;
    return &more[i];
}

/* Where the page of that index is, or belongs. Nearly always it is the last one. */
static size_t place_of(const struct mw_ledger_boot *boot, uint64_t index)
{
    if (boot->n_pages > 0 && boot->page[boot->n_pages - 1]->index <= index) {
        return boot->page[boot->n_pages - 1]->index == index ? boot->n_pages - 1 : boot->n_pages;
    }
    size_t low = 0, high = boot->n_pages;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (boot->page[middle]->index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct mw_ledger_page *page_of(struct mw_ledger_boot *boot, uint64_t index)
{
    size_t i = place_of(boot, index);
    if (i < boot->n_pages && boot->page[i]->index == index) {
        return boot->page[i];
    }
    if (boot->n_pages == boot->capacity) {
        size_t capacity = boot->capacity == 0 ? 4 : boot->capacity * 2;
        struct mw_ledger_page **more = realloc(boot->page, capacity * sizeof(void *));
        if (more == NULL) {
            return NULL;
        }
        boot->page = more;
        boot->capacity = capacity;
    }
    struct mw_ledger_page *page = calloc(1, sizeof *page);
    if (page == NULL) {
        return NULL;
    }
    page->index = index;
    memmove(&boot->page[i + 1], &boot->page[i], (boot->n_pages - i) * sizeof(void *));
    boot->page[i] = page;
    boot->n_pages++;
    return page;
}

mw_err mw_ledger_book_mark(struct mw_ledger_book *book, uint32_t boot, uint64_t seq,
                           enum mw_ledger_mark mark, bool *again)
{
    struct mw_ledger_boot *entry = mw_ledger_book_boot(book, boot);
    struct mw_ledger_page *page = entry == NULL ? NULL : page_of(entry, seq / MW_LEDGER_PAGE);
    if (page == NULL) {
        return MW_ERR_MEMORY;
    }
    size_t at = (size_t)(seq % MW_LEDGER_PAGE);
    uint64_t bit = UINT64_C(1) << (at % 64);
    *again = (page->bits[mark][at / 64] & bit) != 0;
    page->bits[mark][at / 64] |= bit;
    if ((mark == MW_LEDGER_STORED || mark == MW_LEDGER_DEAD) && seq >= entry->end) {
        entry->end = seq + 1;
    }
    return MW_OK;
}

/* ---- counting ---- */

static unsigned ones(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

/* How scores lie among the telemetry, over the pages of all boots in order. */
struct scores {
    bool begun;
    uint64_t before;          /* telemetry without a score that nobody owed one */
    uint64_t between, behind; /* owed one: with a later score; behind the last so far */
};

static void count_scores(uint64_t telemetry, uint64_t served, uint64_t scored, uint64_t refused,
                         struct scores *scores)
{
    uint64_t open = telemetry & ~scored & ~refused;
    uint64_t owed = scores->begun ? open : open & served;
    scored &= telemetry;
    if (scored == 0) {
        scores->before += ones(open & ~owed);
        scores->behind += ones(owed);
        return;
    }
    unsigned first = (unsigned)__builtin_ctzll(scored);
    unsigned last = 63U - (unsigned)__builtin_clzll(scored);
    uint64_t under = (UINT64_C(1) << first) - 1;
    uint64_t over = last == 63 ? 0 : ~((UINT64_C(1) << (last + 1)) - 1);
    scores->before += ones(open & ~owed & under);
    scores->between += scores->behind + ones(owed & under) + ones(open & ~under & ~over);
    scores->begun = true;
    scores->behind = ones(open & over);
}

static void count_page(const struct mw_ledger_page *page, struct mw_ledger_count *count,
                       struct scores *scores)
{
    for (size_t w = 0; w < MW_LEDGER_WORDS; w++) {
        uint64_t stored = page->bits[MW_LEDGER_STORED][w];
        uint64_t telemetry = page->bits[MW_LEDGER_TELEMETRY][w] & stored;
        uint64_t dead = page->bits[MW_LEDGER_DEAD][w];
        uint64_t refused = page->bits[MW_LEDGER_REFUSED][w];
        uint64_t scored = page->bits[MW_LEDGER_SCORED][w];
        count->stored += ones(stored);
        count->dead += ones(dead & ~stored);
        count->scored += ones(scored & telemetry);
        count->unscorable += ones(telemetry & refused & ~scored);
        count_scores(telemetry, page->bits[MW_LEDGER_SERVED][w], scored, refused, scores);
    }
}

void mw_ledger_book_count(const struct mw_ledger_book *book, bool has_position, uint32_t boot,
                          uint64_t next, struct mw_ledger_count *count)
{
    struct scores scores = {0};
    *count = (struct mw_ledger_count){0};
    for (size_t i = 0; i < book->n_boots; i++) {
        const struct mw_ledger_boot *entry = &book->boot[i];
        uint64_t found = count->stored + count->dead;
        for (size_t p = 0; p < entry->n_pages; p++) {
            count_page(entry->page[p], count, &scores);
        }
        found = count->stored + count->dead - found;
        /* All below `taken` must have been found. What an older boot had given out beyond that may
         * have got new numbers in a later one, so it is not asked for by number. */
        bool over = has_position && entry->boot < boot;
        uint64_t taken = entry->end;
        if (has_position && entry->boot == boot && next > taken) {
            taken = next;
        }
        count->lost += taken - found;
        count->pending += !over && entry->given > taken ? entry->given - taken : 0;
        count->newest_boot = entry->boot;
    }
    count->unscored = scores.before;
    count->awaiting = scores.behind;
    count->unscored_between = scores.between;
}

void mw_ledger_book_clear(struct mw_ledger_book *book)
{
    for (size_t i = 0; i < book->n_boots; i++) {
        for (size_t p = 0; p < book->boot[i].n_pages; p++) {
            free(book->boot[i].page[p]);
        }
        free(book->boot[i].page);
    }
    free(book->boot);
    *book = (struct mw_ledger_book){0};
}
