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

/* ---- settling ---- */

static unsigned ones(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

/* The first of the settled runs that ends behind the page of that index. */
static size_t settled_place(const struct mw_ledger_boot *boot, uint64_t index)
{
    size_t low = 0, high = boot->n_settled;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (boot->settled[middle].end <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_settled(const struct mw_ledger_boot *boot, uint64_t index)
{
    size_t i = settled_place(boot, index);
    return i < boot->n_settled && boot->settled[i].first <= index;
}

/* Nothing of the page is open; *telemetry is how much of it has a score. */
static bool is_complete(const struct mw_ledger_page *page, uint64_t *telemetry)
{
    *telemetry = 0;
    for (size_t w = 0; w < MW_LEDGER_WORDS; w++) {
        uint64_t scored = page->bits[MW_LEDGER_SCORED][w];
        if (page->bits[MW_LEDGER_STORED][w] != UINT64_MAX ||
            page->bits[MW_LEDGER_TELEMETRY][w] != scored || page->bits[MW_LEDGER_DEAD][w] != 0 ||
            page->bits[MW_LEDGER_REFUSED][w] != 0) {
            return false;
        }
        *telemetry += ones(scored);
    }
    return true;
}

/* Puts the page of that index, of which nothing is open, to the settled ones. False: no memory for
 * it, so it stays. */
static bool add_settled(struct mw_ledger_boot *boot, uint64_t index, uint64_t telemetry)
{
    size_t i = settled_place(boot, index);
    struct mw_ledger_settled *runs = boot->settled;
    bool before = i > 0 && runs[i - 1].end == index;
    bool behind = i < boot->n_settled && runs[i].first == index + 1;
    if (before && behind) {
        runs[i - 1].end = runs[i].end;
        runs[i - 1].telemetry += telemetry + runs[i].telemetry;
        memmove(&runs[i], &runs[i + 1], (--boot->n_settled - i) * sizeof *runs);
    } else if (before) {
        runs[i - 1].end++;
        runs[i - 1].telemetry += telemetry;
    } else if (behind) {
        runs[i].first--;
        runs[i].telemetry += telemetry;
    } else {
        runs = realloc(runs, (boot->n_settled + 1) * sizeof *runs);
        if (runs == NULL) {
            return false;
        }
        boot->settled = runs;
        memmove(&runs[i + 1], &runs[i], (boot->n_settled++ - i) * sizeof *runs);
        runs[i] = (struct mw_ledger_settled){index, index + 1, telemetry};
    }
    return true;
}

/* Settles the page in that place if nothing of it is open. */
static void settle(struct mw_ledger_boot *boot, size_t i)
{
    uint64_t telemetry;
    if (is_complete(boot->page[i], &telemetry) &&
        add_settled(boot, boot->page[i]->index, telemetry)) {
        free(boot->page[i]);
        memmove(&boot->page[i], &boot->page[i + 1], (--boot->n_pages - i) * sizeof(void *));
    }
}

mw_err mw_ledger_book_mark(struct mw_ledger_book *book, uint32_t boot, uint64_t seq,
                           enum mw_ledger_mark mark, bool *again)
{
    struct mw_ledger_boot *entry = mw_ledger_book_boot(book, boot);
    uint64_t index = seq / MW_LEDGER_PAGE;
    if (entry == NULL) {
        return MW_ERR_MEMORY;
    }
    if (is_settled(entry, index)) {
        *again = mark != MW_LEDGER_DEAD && mark != MW_LEDGER_REFUSED;
        return MW_OK;
    }
    struct mw_ledger_page *page = page_of(entry, index);
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
    /* A stored number is called telemetry right after, so its page is not looked at before. */
    if (mark == MW_LEDGER_SCORED || at == 0) {
        size_t place = place_of(entry, index);
        settle(entry, mark == MW_LEDGER_SCORED || place == 0 ? place : place - 1);
    }
    return MW_OK;
}

/* ---- counting ---- */

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

static void count_settled(const struct mw_ledger_settled *settled, struct mw_ledger_count *count,
                          struct scores *scores)
{
    count->stored += (settled->end - settled->first) * MW_LEDGER_PAGE;
    count->scored += settled->telemetry;
    if (settled->telemetry > 0) {
        scores->between += scores->behind;
        scores->behind = 0;
        scores->begun = true;
    }
}

/* Pages and what was settled, in the order of their numbers. */
static void count_boot(const struct mw_ledger_boot *boot, struct mw_ledger_count *count,
                       struct scores *scores)
{
    size_t s = 0;
    for (size_t p = 0; p < boot->n_pages; p++) {
        while (s < boot->n_settled && boot->settled[s].first < boot->page[p]->index) {
            count_settled(&boot->settled[s++], count, scores);
        }
        count_page(boot->page[p], count, scores);
    }
    while (s < boot->n_settled) {
        count_settled(&boot->settled[s++], count, scores);
    }
}

/* How many of the numbers from `from` on are stored or dead. */
static uint64_t count_found(const struct mw_ledger_boot *boot, uint64_t from)
{
    uint64_t index = from / MW_LEDGER_PAGE, found = 0;
    for (size_t p = place_of(boot, index); p < boot->n_pages; p++) {
        const struct mw_ledger_page *page = boot->page[p];
        for (size_t w = 0; w < MW_LEDGER_WORDS; w++) {
            uint64_t first = page->index * MW_LEDGER_PAGE + w * 64;
            uint64_t there = page->bits[MW_LEDGER_STORED][w] | page->bits[MW_LEDGER_DEAD][w];
            if (first + 64 > from) {
                found += ones(first < from ? there >> (from - first) : there);
            }
        }
    }
    for (size_t i = settled_place(boot, index); i < boot->n_settled; i++) {
        uint64_t first = boot->settled[i].first * MW_LEDGER_PAGE;
        found += boot->settled[i].end * MW_LEDGER_PAGE - (first > from ? first : from);
    }
    return found;
}

void mw_ledger_book_count(const struct mw_ledger_book *book, bool has_position, uint32_t boot,
                          uint64_t next, struct mw_ledger_count *count)
{
    struct scores scores = {0};
    *count = (struct mw_ledger_count){0};
    for (size_t i = 0; i < book->n_boots; i++) {
        const struct mw_ledger_boot *entry = &book->boot[i];
        uint64_t found = count->stored + count->dead;
        count_boot(entry, count, &scores);
        found = count->stored + count->dead - found;
        /* All below `taken` must have been found. What an older boot had given out beyond that may
         * have got new numbers in a later one, so it is not asked for by number. */
        bool over = has_position && entry->boot < boot;
        uint64_t taken = entry->end, ahead = 0;
        if (has_position && !over) {
            uint64_t position = entry->boot == boot ? next : 0;
            taken = position > taken ? position : taken;
            ahead = taken - position - count_found(entry, position);
        }
        count->lost += taken - found - ahead;
        count->pending += ahead + (!over && entry->given > taken ? entry->given - taken : 0);
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
        free(book->boot[i].settled);
    }
    free(book->boot);
    *book = (struct mw_ledger_book){0};
}
