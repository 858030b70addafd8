// SPDX-License-Identifier: MIT
/*
 * Lines of operations: made once, found again, linked to each other, and forgotten when their page
 * is written.
 *
 * A line never leaves its page, so the page is the unit of all that can happen to code: its lines
 * are linked among themselves only, and die together. What crosses pages goes through a table of
 * linear addresses, which is emptied with the TLB. An instruction that lies across two pages is
 * decoded each time.
 *
 * Code is noted by pieces of 64 bytes: a page with code is never written through the TLB, and only
 * a write to such a piece makes the page lose its lines. So code and data may share a page, as in
 * the programs of a boot sector.
 */
#include "x86/soft/line.h"
#include "hw/die.h"
#include "x86/machine.h"
#include "x86/soft/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ARENA = 32 << 20, /* bytes for lines; when they are used up, all are forgotten */
    HASH = 1 << 16,
    ADDRESSES = 1 << 13,
    PIECE = 64, /* bytes */
    MET = 4096, /* bits of soft_cache.met */
};

/* The lines of a page of RAM, and which of its pieces they cover. */
struct page {
    struct soft_line *first;
    uint64_t pieces;
    uint64_t noted; /* vm->noted as of the time when it was counted in vm->coders; 0: it is not */
};

struct soft_cache {
    uint8_t *arena;
    size_t used, pages;
    uint64_t decoded;
    struct page *page; /* of all RAM */
    struct soft_line *hash[HASH];
    struct address {
        uint64_t linear, key;
        struct soft_line *line;
    } address[ADDRESSES];
    /* The generations that valid addresses have above their mode, of user mode and of all others;
     * and the pages that some may belong to, by their number modulo. */
    uint64_t generation[2];
    bool local; /* some of those others are of pages that are not global */
    uint64_t met[MET / 64];

    const struct soft_op *unlinked; /* the branch that came back for want of a link */
    struct soft_line *from;         /* and its line */
    union {
        struct soft_line line;
        uint8_t space[sizeof(struct soft_line) + 2 * sizeof(struct soft_op)];
    } single;
};

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        die("no memory for the processor's decoded code: %m");
    return p;
}

struct soft_cache *soft_cache_new(struct soft_vm *vm)
{
    struct soft_cache *cache = reserve(sizeof(*cache));

    cache->arena = reserve(ARENA);
    cache->pages = vm->ram->size >> 12;
    cache->page = reserve(cache->pages * sizeof(*cache->page));
    return cache;
}

void soft_cache_free(struct soft_cache *cache)
{
    munmap(cache->arena, ARENA);
    munmap(cache->page, cache->pages * sizeof(*cache->page));
    munmap(cache, sizeof(*cache));
}

uint64_t soft_cache_decoded(const struct soft *c)
{
    return c->cache->decoded;
}

void soft_forget_addresses(struct soft *c, bool global)
{
    struct soft_cache *cache = c->cache;

    cache->generation[0]++;
    if (!global && !cache->local)
        return;
    cache->generation[1]++;
    cache->local = false;
    memset(cache->met, 0, sizeof(cache->met));
}

void soft_forget_page_addresses(struct soft *c, uint64_t linear)
{
    uint64_t bit = linear >> 12 & (MET - 1);

    if (c->cache->met[bit / 64] >> bit % 64 & 1)
        soft_forget_addresses(c, true);
}

static void note_address(struct soft *c, uint64_t linear, bool global)
{
    uint64_t bit = linear >> 12 & (MET - 1);

    c->cache->met[bit / 64] |= UINT64_C(1) << bit % 64;
    c->cache->local |= !(c->mode & MODE_USER) && !global;
}

/* The number of RAM's page at gpa. */
static size_t page_number(struct soft *c, uint64_t gpa)
{
    const uint8_t *host = ram_at(c->vm->ram, gpa & ~SOFT_PAGE, 4096);

    assert(host);
    return (host - c->vm->ram->host) >> 12;
}

/* Leave before this instruction. */
static void leave_before(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_undo(c);
}

/* The line being run no longer matches memory: it ends with the present instruction. */
static void cut_short(struct soft *c)
{
    struct soft_line *line = c->line;

    if (!line)
        return;
    for (int i = 0; i <= line->n; i++)
        if (&line->ops[i] != c->op)
            line->ops[i].run = leave_before;
    if (c->op && c->op->linked)
        ((struct soft_op *)c->op)->link = NULL;
}

static void drop_page(struct soft *c, size_t number)
{
    struct page *page = &c->cache->page[number];

    if (!page->noted)
        return;
    for (struct soft_line *line = page->first; line; line = line->next_in_page)
        if (line == c->line)
            cut_short(c);
    for (struct soft_line *line = page->first; line; line = line->next_in_page) {
        struct soft_line **at = &c->cache->hash[(line->gpa ^ line->gpa >> 16) % HASH];

        while (*at != line)
            at = &(*at)->next_in_hash;
        *at = line->next_in_hash;
    }
    *page = (struct page){0};
    __atomic_fetch_sub(&c->vm->coders[number], 1, __ATOMIC_SEQ_CST);
    c->cache->unlinked = NULL;
    soft_forget_addresses(c, true);
}

void soft_cache_flush(struct soft *c)
{
    struct soft_cache *cache = c->cache;

    for (size_t i = 0; i < cache->pages; i++)
        if (cache->page[i].noted) {
            __atomic_fetch_sub(&c->vm->coders[i], 1, __ATOMIC_SEQ_CST);
            cache->page[i] = (struct page){0};
        }
    if (cache->used) /* else it is clear and not yet backed by RAM */
        memset(cache->hash, 0, sizeof(cache->hash));
    cache->used = 0;
    cache->unlinked = NULL;
    c->line = NULL;
    soft_forget_addresses(c, true);
}

void soft_cache_forget(struct soft *c, size_t page)
{
    c->line = NULL;
    drop_page(c, page);
}

static uint64_t pieces_of(uint64_t gpa, int size)
{
    int begin = (gpa & SOFT_PAGE) / PIECE, end = ((gpa & SOFT_PAGE) + size - 1) / PIECE;

    return (UINT64_MAX >> (63 - end)) & (UINT64_MAX << begin);
}

void soft_code_written(struct soft *c, uint64_t gpa, int size)
{
    size_t number = page_number(c, gpa);

    if (c->cache->page[number].pieces & pieces_of(gpa, size))
        drop_page(c, number);
}

void soft_code_changed(struct soft *c, uint64_t gpa)
{
    size_t number = page_number(c, gpa);
    int mine = c->cache->page[number].noted != 0;

    if (__atomic_load_n(&c->vm->coders[number], __ATOMIC_SEQ_CST) > mine)
        soft_tell_others(c, REQUEST_CODE_CHANGED, number);
}

/* From one instruction to the next 16-bit code does not wrap around at 64 KiB: EIP leaves the
 * segment, and the limit of CS says so. */
static uint64_t onwards(const struct soft *c, uint64_t ip)
{
    return c->code_size == 3 ? ip : (uint32_t)ip;
}

uint64_t soft_ip(const struct soft *c, const struct soft_op *op)
{
    return onwards(c, c->r[RIP] + op->offset);
}

uint64_t soft_next_ip(const struct soft *c, const struct soft_op *op)
{
    return onwards(c, c->r[RIP] + op->offset + op->len);
}

/* Instructions of the line from op on, which have been counted and not been run. */
static int rest(const struct soft_line *line, const struct soft_op *op)
{
    return line->ops + line->n - op;
}

/* Another thread may find the operation without its line. */
uint64_t soft_executed(const struct soft *c)
{
    const struct soft_op *op = __atomic_load_n(&c->op, __ATOMIC_RELAXED);
    const struct soft_line *line = __atomic_load_n(&c->line, __ATOMIC_RELAXED);

    return c->count - (op && line ? rest(line, op) : 0);
}

void soft_undo(struct soft *c)
{
    const struct soft_op *op = c->op;

    if (!op)
        return;
    c->r[RIP] = soft_ip(c, op);
    c->count -= rest(c->line, op);
    c->op = NULL;
}

void soft_leave(struct soft *c, const struct soft_op *op)
{
    c->r[RIP] = soft_next_ip(c, op);
    c->count -= rest(c->line, op) - 1;
}

/* The last operation of a line that does not end with a jump. */
static void end32(struct soft *c, const struct soft_op *op)
{
    return soft_branch(c, op, 2);
}

static void end64(struct soft *c, const struct soft_op *op)
{
    return soft_branch(c, op, 3);
}

/* The end of a line that is run alone. */
static void end_single(struct soft *c, const struct soft_op *op)
{
    c->r[RIP] = onwards(c, c->r[RIP] + op->target);
}

static uint64_t linear_ip(const struct soft *c)
{
    return (c->window[CS].base + c->r[RIP]) & c->linear_mask;
}

static struct address *address_of(struct soft *c, uint64_t linear)
{
    return &c->cache->address[(linear ^ linear >> 13) % ADDRESSES];
}

static uint64_t key(const struct soft *c)
{
    return c->cache->generation[!(c->mode & MODE_USER)] << MODE_BITS | c->mode;
}

void soft_go(struct soft *c)
{
    uint64_t linear = linear_ip(c);
    const struct address *a = address_of(c, linear);

    if (likely(a->linear == linear && a->key == key(c)))
        return soft_enter(c, a->line, 2);
}

void soft_branch_slow(struct soft *c, const struct soft_op *op)
{
    if (!op->near)
        return soft_go(c);
    /* The target is in the same page, so the branch gets a link. */
    c->cache->unlinked = op;
    c->cache->from = c->line;
}

/* Does the target of a branch lie in the page of its line? */
static void see_target(const struct soft_line *line, struct soft_op *op)
{
    int64_t target = (int64_t)(line->gpa & SOFT_PAGE) + op->target;

    op->link = NULL;
    op->linked = true;
    op->near = target >= 0 && target <= (int64_t)SOFT_PAGE;
}

static void make_end(struct soft_line *line, struct soft_op *op, soft_handler *run)
{
    *op = (struct soft_op){.run = run, .target = line->bytes, .offset = line->bytes};
    see_target(line, op);
}

/* Decode what buf has into line, at most max instructions. False when the first one is not whole.
 */
static bool decode_line(struct soft_line *line, const uint8_t *buf, int n, int max)
{
    struct soft_op *op = line->ops;
    uint32_t attributes = 0;
    int code = line->mode & MODE_CODE_SIZE;

    line->bytes = line->n = 0;
    while (line->n < max && line->bytes < n && !(attributes & ROW_END)) {
        int left = n - line->bytes;
        struct soft_decoded d =
            soft_decode(line->mode, buf + line->bytes, left < SOFT_MAX_LEN ? left : SOFT_MAX_LEN,
                        line->bytes, op);

        if (!d.len)
            break;
        attributes = d.attributes;
        line->bytes += d.len;
        if (attributes & ROW_BRANCH && max > 1) {
            see_target(line, op);
            if (line->n)
                soft_join(line->mode, op - 1);
        }
        line->n++;
        op++;
    }
    if (!line->n)
        return false;
    for (int i = 0; i < line->n; i++)
        if (line->ops[i].linked)
            line->ops[i].rest = line->n - 1 - i;
    make_end(line, op, code == 3 ? end64 : end32);
    return true;
}

/*
 * Note that a page of RAM has code from now on, so that all writes to it are noticed, also those of
 * other CPUs. True when all CPUs know: one that does not may still write there by its TLB.
 */
static bool note_code(struct soft *c, size_t number)
{
    struct page *page = &c->cache->page[number];

    if (!page->noted) {
        __atomic_fetch_add(&c->vm->coders[number], 1, __ATOMIC_SEQ_CST);
        soft_protect_page(c, number);
        page->noted = soft_tell_others(c, REQUEST_CODE_NOTED, number);
    }
    return soft_others_know(c, page->noted);
}

/* The line at gpa, with at most n bytes. NULL when not even one instruction lies within them, or
 * when lines of that page cannot be kept yet. */
static struct soft_line *make_line(struct soft *c, uint64_t gpa, int n)
{
    struct soft_cache *cache = c->cache;
    uint8_t code[SOFT_LINE_MAX * SOFT_MAX_LEN];
    size_t most = sizeof(struct soft_line) + (SOFT_LINE_MAX + 1) * sizeof(struct soft_op);

    if (cache->used + most > ARENA)
        soft_cache_flush(c);
    struct soft_line *line = (struct soft_line *)(cache->arena + cache->used);
    size_t number = page_number(c, gpa);

    /* Before the code is read, or a write by another CPU in between would be lost. */
    if (!note_code(c, number))
        return NULL;
    line->gpa = gpa;
    line->mode = c->mode;
    if (n > (int)sizeof(code))
        n = sizeof(code);
    memcpy(code, ram_at(c->vm->ram, gpa, n), n); /* which the other CPUs may change meanwhile */
    if (!decode_line(line, code, n, SOFT_LINE_MAX))
        return NULL;
    c->cache->page[number].pieces |= pieces_of(gpa, line->bytes);
    line->next_in_page = c->cache->page[number].first;
    c->cache->page[number].first = line;
    struct soft_line **at = &cache->hash[(gpa ^ gpa >> 16) % HASH];

    line->next_in_hash = *at;
    *at = line;
    cache->used += sizeof(*line) + (line->n + 1) * sizeof(struct soft_op);
    cache->used = (cache->used + 15) & ~(size_t)15;
    cache->decoded++;
    return line;
}

static struct soft_line *find_line(struct soft *c, uint64_t gpa)
{
    struct soft_line *line = c->cache->hash[(gpa ^ gpa >> 16) % HASH];

    while (line && (line->gpa != gpa || line->mode != c->mode))
        line = line->next_in_hash;
    return line;
}

/* Bytes of code at RIP that the limit of CS allows; raises #GP for none. */
static uint64_t code_left(struct soft *c)
{
    if (c->code_size == 3)
        return SOFT_MAX_LEN;
    if (c->r[RIP] > c->window[CS].last)
        soft_raise_code(c, EXCEPTION_GP, 0);
    return c->window[CS].last - c->r[RIP] + 1;
}

/* Run the instruction at RIP as a line of its own, which is not kept: it lies across two pages, or
 * in no RAM, or something is to happen after it. */
static void run_single(struct soft *c)
{
    struct soft_line *line = &c->cache->single.line;
    uint8_t buf[SOFT_MAX_LEN];
    uint64_t left = code_left(c), gpa, linear = linear_ip(c);
    int most = left < SOFT_MAX_LEN ? (int)left : SOFT_MAX_LEN;
    int n = soft_fetch(c, linear, buf, most, &line->gpa);

    line->mode = c->mode;
    if (!decode_line(line, buf, n, 1)) {
        if (n < most)
            n += soft_fetch(c, (linear + n) & c->linear_mask, buf + n, most - n, &gpa);
        if (!decode_line(line, buf, n, 1))
            soft_raise_code(c, EXCEPTION_GP, 0); /* it goes past the limit */
    }
    line->ops[1].run = end_single;
    c->count += 1;
    c->line = line;
    line->ops[0].run(c, line->ops);
}

void soft_run_one(struct soft *c)
{
    c->op = NULL;
    soft_attend(c); /* a branch must not go on */
    run_single(c);
    c->line = NULL;
}

/* The line at RIP, from the table of addresses, the cache or memory. NULL when there is none to
 * keep. */
static struct soft_line *next_line(struct soft *c)
{
    uint64_t linear = linear_ip(c), gpa;
    struct address *a = address_of(c, linear);
    uint64_t left = code_left(c);
    bool global;

    if (a->linear == linear && a->key == key(c))
        return a->line->bytes <= left || c->code_size == 3 ? a->line : NULL;
    gpa = soft_code_address(c, linear, &global);
    if (!ram_at(c->vm->ram, gpa, 1))
        return NULL;
    struct soft_line *line = find_line(c, gpa);

    if (!line) {
        uint64_t n = 4096 - (gpa & SOFT_PAGE);

        if (c->mode & MODE_LIMITED && n > left)
            n = left;
        line = make_line(c, gpa, n);
    }
    if (!line || (c->mode & MODE_LIMITED && line->bytes > left))
        return NULL;
    note_address(c, linear, global);
    *a = (struct address){linear, key(c), line};
    return line;
}

/* Give the branch that led to line its link, if its line still lives. */
static void link_to(struct soft *c, struct soft_line *line)
{
    struct soft_op *op = (struct soft_op *)c->cache->unlinked;
    const struct soft_line *from = c->cache->from;

    c->cache->unlinked = NULL;
    if (from->mode == line->mode && !((from->gpa ^ line->gpa) & ~SOFT_PAGE) &&
        (int64_t)(from->gpa & SOFT_PAGE) + op->target == (int64_t)(line->gpa & SOFT_PAGE))
        op->link = line;
}

bool soft_run_lines(struct soft *c)
{
    c->cache->unlinked = NULL;
    while (c->count < __atomic_load_n(&c->stop_at, __ATOMIC_ACQUIRE)) {
        c->op = NULL;
        struct soft_line *line = next_line(c);

        if (!line) {
            run_single(c);
            c->cache->unlinked = NULL;
            continue;
        }
        if (c->cache->unlinked)
            link_to(c, line);
        uint64_t stop_at = __atomic_load_n(&c->stop_at, __ATOMIC_ACQUIRE);

        if (c->count + line->n >= stop_at)
            return c->count >= stop_at;
        soft_enter(c, line, 2);
    }
    return true;
}
