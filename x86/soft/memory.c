// SPDX-License-Identifier: MIT
/*
 * Linear addresses: the walk through the page tables, the TLB, and all accesses that the TLB does
 * not serve at once.
 *
 * After: Intel SDM vol. 3A, "Paging"; "Breakpoint Condition Recognition"; "Alignment Check
 * Exception".
 *
 * Left out: memory types (all of RAM is write-back), protection keys, 5-level paging: CPUID does
 * not offer them. PCIDs are accepted, and every change of them empties the TLB, as is always
 * allowed.
 */
#include "hw/die.h"
#include "x86/machine.h"
#include "x86/soft/line.h"
#include "x86/soft/engine.h"

#include <assert.h>

enum {
    ERROR_P = 1 << 0,
    ERROR_W = 1 << 1,
    ERROR_U = 1 << 2,
    ERROR_RSVD = 1 << 3,
    ERROR_I = 1 << 4,

    PHYSICAL_BITS = 40,
    LARGE_SHIFT = 22, /* pages of 2 MiB and of 4 MiB */
    GIANT_SHIFT = 30,
};
#define ADDRESS_BITS ((UINT64_C(1) << PHYSICAL_BITS) - 1)
#define RESERVED_64  (UINT64_C(0x000fffffffffffff) & ~ADDRESS_BITS)

/* Where a linear address leads. */
struct page {
    uint64_t gpa; /* of its page of 4 KiB */
    bool write, user, global;
    bool dirty; /* a write has no bit to set */
    int shift;  /* 1 << shift bytes have one translation, of which this is a piece */
};

/* On whose behalf. */
struct access {
    int rights; /* ACCESS_ bits */
    bool user;
    bool smap; /* user pages are out of bounds */
};

/* Where an entry of a page table is on the host; NULL when it is not in RAM. */
static void *table_entry(struct soft *c, uint64_t gpa, int size)
{
    return ram_at(c->vm->ram, gpa, size);
}

static uint64_t read_entry(const void *p, int size)
{
    if (!p)
        return 0;
    return size == 8 ? __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

/* Set bits of an entry. False when another CPU has changed it meanwhile. */
static bool mark_entry(void *p, int size, uint64_t old, uint64_t bits)
{
    uint32_t old32 = old;

    if ((old & bits) == bits)
        return true;
    return size == 8 ? __atomic_compare_exchange_n((uint64_t *)p, &old, old | bits, false,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
                     : __atomic_compare_exchange_n((uint32_t *)p, &old32, old32 | bits, false,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static _Noreturn void page_fault(struct soft *c, uint64_t linear, const struct access *a,
                                 uint32_t error)
{
    bool tells_execute = c->cr4 & CR4_SMEP || (c->cr4 & CR4_PAE && c->efer & EFER_NXE);

    if (a->rights & ACCESS_WRITE)
        error |= ERROR_W;
    if (a->user)
        error |= ERROR_U;
    if (a->rights & ACCESS_EXECUTE && tells_execute)
        error |= ERROR_I;
    c->cr2 = linear;
    soft_raise_code(c, EXCEPTION_PF, error);
}

/* Reserved bits of an entry that is present, at a level whose pages have 1 << shift bytes. */
static uint64_t reserved_bits(const struct soft *c, bool wide, bool leaf, int shift)
{
    if (!wide)
        return leaf && shift == 22 ? UINT64_C(1) << 21 : 0;
    uint64_t bits = RESERVED_64 | (c->efer & EFER_NXE ? 0 : PTE_NX);

    if (!(c->efer & EFER_LMA))
        bits |= UINT64_C(0x7ff0000000000000);
    if (leaf && shift > 12)
        bits |= ((UINT64_C(1) << shift) - 1) & ~UINT64_C(0x1fff);
    if (shift == 39)
        bits |= PTE_PS;
    return bits;
}

/* A page of the 32-bit format of 4 MiB: address bits 39..32 stand in bits 20..13. */
static uint64_t pse_address(uint64_t entry)
{
    return (entry & 0xffc00000) | (entry & 0x1fe000) << 19;
}

/*
 * Walk the page tables, and set accessed and dirty bits as the processor does: accessed on the way,
 * dirty at the end, when the access is allowed. Raises #PF.
 */
static struct page walk(struct soft *c, uint64_t linear, const struct access *a)
{
    bool lma = c->efer & EFER_LMA, wide = lma || c->cr4 & CR4_PAE;
    int size = wide ? 8 : 4, index_bits = wide ? 9 : 10;
    int shift = lma ? 39 : wide ? 21 : 22;
    uint64_t table, error = 0;
    struct page page;

again:
    page = (struct page){.write = true, .user = true};
    bool execute = true;
    int s = shift;

    table = wide ? c->cr3 & ADDRESS_BITS & ~SOFT_PAGE : c->cr3 & 0xfffff000;
    if (wide && !lma) {
        uint64_t pdpte = c->pdpte[linear >> 30 & 3];

        if (!(pdpte & PTE_P))
            page_fault(c, linear, a, 0);
        table = pdpte & ADDRESS_BITS & ~SOFT_PAGE;
    }
    for (;; s -= index_bits) {
        uint64_t at = table + ((linear >> s) & ((1 << index_bits) - 1)) * size;
        void *p = table_entry(c, at, size);
        uint64_t entry = read_entry(p, size);
        bool leaf =
            s == 12 || (entry & PTE_PS && (s == 21 || s == 30 || (s == 22 && c->cr4 & CR4_PSE)));

        if (!(entry & PTE_P))
            page_fault(c, linear, a, error);
        if (entry & reserved_bits(c, wide, leaf, s))
            page_fault(c, linear, a, ERROR_P | ERROR_RSVD);
        page.write &= !!(entry & PTE_W);
        page.user &= !!(entry & PTE_U);
        execute &= !(wide && entry & PTE_NX);
        if (!leaf) {
            if (!mark_entry(p, size, entry, PTE_A))
                goto again;
            table = entry & (wide ? ADDRESS_BITS : 0xffffffff) & ~SOFT_PAGE;
            continue;
        }
        bool supervisor_writes = !a->user && !(c->cr0 & CR0_WP);
        bool denied = (a->user && !page.user) ||
                      (a->rights & ACCESS_WRITE && !page.write && !supervisor_writes) ||
                      (a->rights & ACCESS_EXECUTE &&
                       (!execute || (!a->user && page.user && c->cr4 & CR4_SMEP))) ||
                      (a->rights & (ACCESS_READ | ACCESS_WRITE) && a->smap && page.user);

        if (denied)
            page_fault(c, linear, a, ERROR_P);
        bool writes = a->rights & ACCESS_WRITE;

        if (!mark_entry(p, size, entry, PTE_A | (writes ? PTE_D : 0)))
            goto again;
        page.dirty = writes || entry & PTE_D;
        page.shift = s;
        page.global = entry & PTE_G && c->cr4 & CR4_PGE;
        page.write |= supervisor_writes;
        uint64_t offset = linear & ((UINT64_C(1) << s) - 1) & ~SOFT_PAGE;
        uint64_t base = wide ? entry & ADDRESS_BITS : s == 22 ? pse_address(entry) : entry;

        page.gpa = (base & ~((UINT64_C(1) << s) - 1)) + offset;
        return page;
    }
}

static bool canonical(const struct soft *c, uint64_t linear)
{
    return c->code_size != 3 || soft_canonical(linear);
}

static struct page translate(struct soft *c, uint64_t linear, const struct access *a)
{
    if (c->cr0 & CR0_PG)
        return walk(c, linear, a);
    return (struct page){
        .gpa = linear & ~SOFT_PAGE, .write = true, .user = true, .dirty = true, .shift = 12};
}

static struct access present_access(const struct soft *c, int rights)
{
    bool user = c->cpl == 3;

    return (struct access){.rights = rights,
                           .user = user,
                           .smap = !user && c->cr4 & CR4_SMAP && !(c->eflags & EFLAGS_AC)};
}

static bool has_code(const struct soft *c, const uint8_t *host)
{
    return __atomic_load_n(&c->vm->coders[(host - c->vm->ram->host) >> 12], __ATOMIC_SEQ_CST);
}

/* Remember that the TLBs may have pieces of a page of 1 << shift bytes. */
static void note_size(struct soft *c, uint64_t linear, int shift)
{
    uint64_t at = linear >> LARGE_SHIFT & (SOFT_LARGE - 1);

    if (shift == GIANT_SHIFT)
        c->giant |= UINT64_C(1) << (linear >> GIANT_SHIFT & 63);
    else if (shift > 12)
        c->large[at / 64] |= UINT64_C(1) << at % 64;
}

/* Log2 of the size of the largest page that linear may belong to. */
static int greatest_shift(const struct soft *c, uint64_t linear)
{
    uint64_t at = linear >> LARGE_SHIFT & (SOFT_LARGE - 1);

    if (c->giant >> (linear >> GIANT_SHIFT & 63) & 1)
        return GIANT_SHIFT;
    return c->large[at / 64] >> at % 64 & 1 ? LARGE_SHIFT : 12;
}

static void note_filled(struct soft_filled *f, int slot, bool global)
{
    f->map[global][slot / 64] |= UINT64_C(1) << slot % 64;
}

/* Remember a page of RAM for accesses like this one. */
static void fill(struct soft *c, uint64_t linear, const struct page *page, uint8_t *host)
{
    uint64_t at = linear & ~SOFT_PAGE;
    int slot = at >> 12 & (SOFT_TLB_SIZE - 1);

    c->misses++;
    if (c->tlb == &c->tlbs[TLB_CAREFUL])
        return;
    note_size(c, linear, page->shift);
    note_filled(&c->tlb->filled, slot, page->global);
    c->tlb->entry[slot] = (struct soft_tlb_entry){
        .read = at,
        .write = page->write && page->dirty && !has_code(c, host) ? at : SOFT_TLB_NONE,
        .host = (uintptr_t)host - at};
}

/* Breakpoints by their types in DR7. */
enum {
    WATCH_WRITE = 1 << 1,
    WATCH_PORTS = 1 << 2,
    WATCH_ACCESS = 1 << 3,
};

/* Note breakpoints of these types that an access meets. They are reported after the instruction. */
static void watch(struct soft *c, uint64_t linear, int size, int types)
{
    if (!(c->dr[7] & DR7_ENABLES))
        return;
    for (int i = 0; i < 4; i++) {
        int type = c->dr[7] >> (16 + 4 * i) & 3, code = c->dr[7] >> (18 + 4 * i) & 3;
        int len = code == 2 ? 8 : code + 1;
        uint64_t at = c->dr[i] & ~(uint64_t)(len - 1);

        if (!(c->dr[7] >> (2 * i) & 3) || !(types >> type & 1))
            continue;
        if (linear < at + len && at < linear + size)
            c->hit |= 1 << i;
    }
}

void soft_watch_ports(struct soft *c, uint16_t port, int size)
{
    if (c->cr4 & CR4_DE)
        watch(c, port, size, WATCH_PORTS);
}

static _Noreturn void not_canonical(struct soft *c, int seg)
{
    soft_raise_code(c, seg == SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
}

/* Operands of odd sizes are x87's: numbers of 10 bytes, and states whose parts have 4 or, with
 * 16-bit operands, 2 bytes. FXSAVE's area has 512. */
static void check_alignment(struct soft *c, uint64_t linear, int size)
{
    int n = size == 512 ? 16 : !(size & (size - 1)) ? size : size == 10 ? 8 : size & 2 ? 2 : 4;

    if (unlikely(linear & (n - 1)) && c->cr0 & CR0_AM && c->eflags & EFLAGS_AC && c->cpl == 3)
        soft_raise_code(c, EXCEPTION_AC, 0);
}

/* Check an access of the slow way: it is canonical, and aligned where that is asked for. Note the
 * breakpoints that it meets. */
static void examine(struct soft *c, int seg, uint64_t linear, int size, bool write)
{
    if (!canonical(c, linear) || !canonical(c, linear + size - 1))
        not_canonical(c, seg);
    check_alignment(c, linear, size);
    watch(c, linear, size, write ? WATCH_WRITE | WATCH_ACCESS : WATCH_ACCESS);
}

/* Where the part of an access that lies in one page is on the host; NULL when it is a chip's. *gpa
 * is its address. */
static uint8_t *reach(struct soft *c, uint64_t linear, int rights, uint64_t *gpa)
{
    struct access a = present_access(c, rights);
    struct page page = translate(c, linear, &a);
    uint8_t *host = ram_at(c->vm->ram, page.gpa, 4096);

    *gpa = page.gpa + (linear & SOFT_PAGE);
    if (!host)
        return NULL;
    fill(c, linear, &page, host);
    return host + (linear & SOFT_PAGE);
}

static bool crosses(uint64_t linear, int size)
{
    return (linear & SOFT_PAGE) + size > 4096;
}

static uint64_t read_host(const uint8_t *p, int size)
{
    return soft_peek(p, __builtin_ctz(size));
}

static uint64_t next_page(const struct soft *c, uint64_t linear)
{
    return ((linear | SOFT_PAGE) + 1) & c->linear_mask;
}

/* Write to RAM. 1, 2, 4 or 8 bytes are written at once, as an operand is. */
static void write_ram(struct soft *c, uint8_t *host, uint64_t gpa, const void *buf, int n)
{
    bool code = has_code(c, host);

    if (code)
        soft_code_written(c, gpa, n);
    if (n <= 8 && !(n & (n - 1)))
        soft_poke(host, __builtin_ctz(n), read_host(buf, n));
    else
        memcpy(host, buf, n);
    if (code)
        soft_code_changed(c, gpa);
}

/* Where n bytes at linear lie, in one page or two; they have been examined. Raises for either page.
 * What is done with the span then needs no page tables, and cannot fail. */
static struct soft_span find_span(struct soft *c, uint64_t linear, int n, int rights)
{
    struct soft_span span = {0};
    int room = 4096 - (linear & SOFT_PAGE);
    struct soft_part *p = span.part;

    p->n = n < room ? n : room;
    p->host = reach(c, linear, rights, &p->gpa);
    if (n > room) {
        p++;
        p->n = n - room;
        p->host = reach(c, next_page(c, linear), rights, &p->gpa);
    }
    return span;
}

/* A chip is accessed by pieces of step bytes; byte by byte where the operand crosses pages. */
static int step_of(const struct soft_span *span, int step)
{
    return span->part[1].n ? 1 : step;
}

static void load_span(struct soft *c, const struct soft_span *span, void *buf, int step)
{
    uint8_t *to = buf;

    step = step_of(span, step);
    for (const struct soft_part *p = span->part; p < span->part + 2; to += p->n, p++) {
        if (p->host)
            memcpy(to, p->host, p->n);
        for (int i = 0; !p->host && i < p->n; i += step) {
            uint64_t val = soft_mmio_read(c, p->gpa + i, step);

            memcpy(to + i, &val, step);
        }
    }
}

static void store_span(struct soft *c, const struct soft_span *span, const void *buf, int step)
{
    const uint8_t *from = buf;

    step = step_of(span, step);
    for (const struct soft_part *p = span->part; p < span->part + 2; from += p->n, p++) {
        if (p->host && p->n)
            write_ram(c, p->host, p->gpa, from, p->n);
        for (int i = 0; !p->host && i < p->n; i += step)
            soft_mmio_write(c, p->gpa + i, step, read_host(from + i, step));
    }
}

/* n bytes of a span, from the at-th on. */
static struct soft_span cut(const struct soft_span *span, int at, int n)
{
    struct soft_span piece = {0};
    struct soft_part *to = piece.part;

    for (const struct soft_part *p = span->part; n && p < span->part + 2; at -= p->n, p++) {
        int skip = at > 0 ? at : 0, room = p->n - skip;

        if (room <= 0)
            continue;
        *to =
            (struct soft_part){p->gpa + skip, p->host ? p->host + skip : NULL, n < room ? n : room};
        n -= to->n;
        to++;
    }
    return piece;
}

uint64_t soft_load_slow(struct soft *c, int seg, uint64_t linear, int size)
{
    uint64_t gpa, val = 0;

    examine(c, seg, linear, size, false);
    if (crosses(linear, size)) {
        struct soft_span span = find_span(c, linear, size, ACCESS_READ);

        load_span(c, &span, &val, 1);
        return val;
    }
    const uint8_t *host = reach(c, linear, ACCESS_READ, &gpa);

    return host ? read_host(host, size) : soft_mmio_read(c, gpa, size);
}

void soft_store_slow(struct soft *c, int seg, uint64_t linear, int size, uint64_t val)
{
    uint64_t gpa;

    examine(c, seg, linear, size, true);
    if (crosses(linear, size)) {
        struct soft_span span = find_span(c, linear, size, ACCESS_WRITE);

        store_span(c, &span, &val, 1);
        return;
    }
    uint8_t *host = reach(c, linear, ACCESS_WRITE, &gpa);

    if (host)
        write_ram(c, host, gpa, &val, size);
    else
        soft_mmio_write(c, gpa, size, val);
}

void soft_load_bytes(struct soft *c, int seg, uint64_t linear, void *buf, int n)
{
    examine(c, seg, linear, n, false);
    struct soft_span span = find_span(c, linear, n, ACCESS_READ);

    load_span(c, &span, buf, 1);
}

void soft_store_bytes(struct soft *c, int seg, uint64_t linear, const void *buf, int n)
{
    examine(c, seg, linear, n, true);
    struct soft_span span = find_span(c, linear, n, ACCESS_WRITE);

    store_span(c, &span, buf, 1);
}

void soft_store_begin(struct soft *c, int seg, uint64_t linear, int size)
{
    examine(c, seg, linear, size, true);
    c->bounce.span = find_span(c, linear, size, ACCESS_WRITE);
}

void soft_store_end(struct soft *c, uint64_t val)
{
    store_span(c, &c->bounce.span, &val, c->bounce.span.part[0].n);
}

void soft_probe(struct soft *c, int seg, uint64_t linear, int n, int rights)
{
    struct access a = present_access(c, rights);

    if (!canonical(c, linear) || !canonical(c, linear + n - 1))
        not_canonical(c, seg);
    check_alignment(c, linear, n);
    translate(c, linear, &a);
    if (crosses(linear, n))
        translate(c, next_page(c, linear), &a);
}

void *soft_rmw_slow(struct soft *c, int seg, uint64_t linear, int size)
{
    struct soft_span *span = &c->bounce.span;

    examine(c, seg, linear, size, true);
    *span = find_span(c, linear, size, ACCESS_READ | ACCESS_WRITE);
    uint8_t *host = span->part[0].host;

    if (host && !soft_splits(linear, size)) {
        if (has_code(c, host)) {
            soft_code_written(c, span->part[0].gpa, size);
            c->bounce.left = BOUNCE_CODE;
        }
        return host;
    }
    pthread_mutex_lock(&c->vm->split);
    c->bounce.left = BOUNCE_COPY;
    load_span(c, span, c->bounce.data, size > 8 ? 8 : size);
    memcpy(c->bounce.old, c->bounce.data, size);
    return c->bounce.data;
}

/* Write back what lies in one line of the host's cache, if it has changed: another CPU may have
 * stored there meanwhile, to release a lock for example. */
static void put_back(struct soft *c, int begin, int end)
{
    const uint8_t *data = c->bounce.data;

    if (begin < end && memcmp(data + begin, c->bounce.old + begin, end - begin)) {
        struct soft_span piece = cut(&c->bounce.span, begin, end - begin);

        store_span(c, &piece, data + begin, 1);
    }
}

void soft_rmw_commit(struct soft *c)
{
    const struct soft_part *part = c->bounce.span.part;
    int size = part[0].n + part[1].n,
        line = SOFT_CACHE_LINE - (part[0].gpa & (SOFT_CACHE_LINE - 1));

    if (c->bounce.left == BOUNCE_CODE) {
        c->bounce.left = BOUNCE_NOTHING;
        soft_code_changed(c, part[0].gpa);
        return;
    }
    if (part[0].host && (part[1].host || !part[1].n)) {
        put_back(c, 0, line);
        put_back(c, line, size);
    } else {
        store_span(c, &c->bounce.span, c->bounce.data, size > 8 ? 8 : size);
    }
    c->bounce.left = BOUNCE_NOTHING;
    pthread_mutex_unlock(&c->vm->split);
    console_wait(c->vcpu->console);
    soft_trace_bounce(c);
}

void *soft_piece(struct soft *c, int seg, uint64_t linear, int rights, uint64_t *n)
{
    uint64_t gpa, room = 4096 - (linear & SOFT_PAGE);
    const struct soft_tlb_entry *e = &c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)];
    bool write = rights & ACCESS_WRITE;

    if (*n > room)
        *n = room;
    if ((linear & ~SOFT_PAGE) == (write ? e->write : e->read))
        return (void *)(e->host + linear);
    if (c->tlb == &c->tlbs[TLB_CAREFUL])
        return NULL;
    if (!canonical(c, linear))
        not_canonical(c, seg);
    uint8_t *host = reach(c, linear, rights, &gpa);

    return host && write && has_code(c, host) ? NULL : host;
}

/* Where the part of the processor's own access that lies in one page is; as reach(). */
static uint64_t system_reach(struct soft *c, uint64_t linear, int rights, uint8_t **host)
{
    struct access a = {.rights = rights, .smap = c->cr4 & CR4_SMAP};
    struct page page = translate(c, linear, &a);

    *host = ram_at(c->vm->ram, page.gpa, 4096);
    if (*host)
        *host += linear & SOFT_PAGE;
    return page.gpa + (linear & SOFT_PAGE);
}

static bool system_canonical(const struct soft *c, uint64_t linear)
{
    return !(c->efer & EFER_LMA) || soft_canonical(linear);
}

/* The same as find_span(), for the processor's own accesses. */
static struct soft_span find_system_span(struct soft *c, uint64_t linear, int n, int rights)
{
    struct soft_span span = {0};
    int room = 4096 - (linear & SOFT_PAGE);
    struct soft_part *p = span.part;

    if (!(c->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!system_canonical(c, linear))
        soft_raise_code(c, EXCEPTION_GP, 0);
    p->n = n < room ? n : room;
    p->gpa = system_reach(c, linear, rights, &p->host);
    if (n > room) {
        p++;
        p->n = n - room;
        linear = (linear | SOFT_PAGE) + 1;
        p->gpa = system_reach(c, c->efer & EFER_LMA ? linear : (uint32_t)linear, rights, &p->host);
    }
    return span;
}

uint64_t soft_system_load(struct soft *c, uint64_t linear, int size)
{
    struct soft_span span = find_system_span(c, linear, size, ACCESS_READ);
    uint64_t val = 0;

    load_span(c, &span, &val, size);
    return val;
}

struct soft_span soft_system_span(struct soft *c, uint64_t linear, int n)
{
    return find_system_span(c, linear, n, ACCESS_READ | ACCESS_WRITE);
}

void soft_span_store(struct soft *c, const struct soft_span *span, int at, int size, uint64_t val)
{
    struct soft_span piece = cut(span, at, size);

    store_span(c, &piece, &val, size);
}

void soft_span_bits(struct soft *c, const struct soft_span *span, uint8_t clear, uint8_t set)
{
    uint8_t *host = span->part[0].host;
    uint64_t gpa = span->part[0].gpa;

    if (!host) {
        soft_mmio_write(c, gpa, 1, (soft_mmio_read(c, gpa, 1) & ~clear) | set);
        return;
    }
    bool code = has_code(c, host);

    if (code)
        soft_code_written(c, gpa, 1);
    if (clear)
        __atomic_fetch_and(host, ~clear, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(host, set, __ATOMIC_SEQ_CST);
    if (code)
        soft_code_changed(c, gpa);
}

void soft_system_bits(struct soft *c, uint64_t linear, uint8_t clear, uint8_t set)
{
    struct soft_span span = soft_system_span(c, linear, 1);

    soft_span_bits(c, &span, clear, set);
}

uint64_t soft_code_address(struct soft *c, uint64_t linear, bool *global)
{
    uint64_t tag = (linear & ~SOFT_PAGE) | (c->cpl == 3);
    int slot = linear >> 12 & (SOFT_CODE_TLB_SIZE - 1);
    struct soft_code_tlb_entry *e = &c->code_tlb[slot];

    if (e->linear == tag) {
        *global = e->global;
        return e->gpa + (linear & SOFT_PAGE);
    }
    struct access a = present_access(c, ACCESS_EXECUTE);

    if (!canonical(c, linear))
        soft_raise_code(c, EXCEPTION_GP, 0);
    struct page page = translate(c, linear, &a);

    note_size(c, linear, page.shift);
    note_filled(&c->code_filled, slot, page.global);
    *e = (struct soft_code_tlb_entry){.linear = tag, .gpa = page.gpa, .global = page.global};
    *global = page.global;
    return page.gpa + (linear & SOFT_PAGE);
}

int soft_fetch(struct soft *c, uint64_t linear, uint8_t *buf, int n, uint64_t *gpa)
{
    int room = 4096 - (linear & SOFT_PAGE);
    bool global;

    *gpa = soft_code_address(c, linear, &global);
    const uint8_t *host = ram_at(c->vm->ram, *gpa, 1);

    if (n > room)
        n = room;
    for (int i = 0; i < n; i++)
        buf[i] = host ? host[i] : soft_mmio_read(c, *gpa + i, 1);
    return n;
}

void soft_empty_tlb(struct soft *c)
{
    for (int t = 0; t < TLBS; t++)
        for (int i = 0; i < SOFT_TLB_SIZE; i++)
            c->tlbs[t].entry[i].read = c->tlbs[t].entry[i].write = SOFT_TLB_NONE;
    for (int i = 0; i < SOFT_CODE_TLB_SIZE; i++)
        c->code_tlb[i].linear = UINT64_MAX;
}

/* The first filled slot from a number on; SOFT_TLB_SIZE when there is none. */
static int next_slot(const uint64_t *map, int from)
{
    while (from < SOFT_TLB_SIZE) {
        uint64_t bits = map[from / 64] >> from % 64;

        if (bits)
            return from + __builtin_ctzll(bits);
        from = (from | 63) + 1;
    }
    return SOFT_TLB_SIZE;
}

#define EACH_SLOT(slot, map)                                                                       \
    (int slot = next_slot(map, 0); slot < SOFT_TLB_SIZE; slot = next_slot(map, slot + 1))

static void forget(struct soft_tlb_entry *e)
{
    e->read = e->write = SOFT_TLB_NONE;
}

void soft_flush_tlb(struct soft *c, bool global)
{
    for (int g = 0; g <= global; g++) {
        for (int t = 0; t < TLB_CAREFUL; t++) {
            uint64_t *map = c->tlbs[t].filled.map[g];

            for
                EACH_SLOT(slot, map)
            forget(&c->tlbs[t].entry[slot]);
            memset(map, 0, sizeof(c->tlbs[t].filled.map[g]));
        }
        for
            EACH_SLOT(slot, c->code_filled.map[g])
        c->code_tlb[slot].linear = UINT64_MAX;
        memset(c->code_filled.map[g], 0, sizeof(c->code_filled.map[g]));
    }
    if (global) {
        memset(c->large, 0, sizeof(c->large));
        c->giant = 0;
    }
    soft_forget_addresses(c, global);
}

/* Forget all pieces of the page of 1 << shift bytes that linear belongs to. */
static void flush_large(struct soft *c, uint64_t linear, int shift)
{
    for (int g = 0; g < 2; g++) {
        for (int t = 0; t < TLB_CAREFUL; t++)
            for
                EACH_SLOT(slot, c->tlbs[t].filled.map[g])
        if (!((c->tlbs[t].entry[slot].read ^ linear) >> shift))
            forget(&c->tlbs[t].entry[slot]);
        for
            EACH_SLOT(slot, c->code_filled.map[g])
        if (!((c->code_tlb[slot].linear ^ linear) >> shift))
            c->code_tlb[slot].linear = UINT64_MAX;
    }
    soft_forget_addresses(c, true);
}

void soft_flush_page(struct soft *c, uint64_t linear)
{
    int shift = greatest_shift(c, linear);

    if (shift > 12)
        flush_large(c, linear, shift);
    for (int t = 0; t < TLB_CAREFUL; t++)
        forget(&c->tlbs[t].entry[linear >> 12 & (SOFT_TLB_SIZE - 1)]);
    c->code_tlb[linear >> 12 & (SOFT_CODE_TLB_SIZE - 1)].linear = UINT64_MAX;
    soft_forget_page_addresses(c, linear);
}

void soft_protect_page(struct soft *c, size_t page)
{
    uintptr_t host = (uintptr_t)c->vm->ram->host + (page << 12);

    for (int g = 0; g < 2; g++)
        for (int t = 0; t < TLB_CAREFUL; t++)
            for
                EACH_SLOT(slot, c->tlbs[t].filled.map[g])
                {
                    struct soft_tlb_entry *e = &c->tlbs[t].entry[slot];

                    if (e->write != SOFT_TLB_NONE && e->host + e->write == host)
                        e->write = SOFT_TLB_NONE;
                }
}

bool soft_load_pdptes(struct soft *c, uint64_t cr3)
{
    uint64_t pdpte[4];

    for (int i = 0; i < 4; i++) {
        pdpte[i] = read_entry(table_entry(c, (cr3 & 0xffffffe0) + 8 * i, 8), 8);
        if (pdpte[i] & PTE_P && pdpte[i] & (RESERVED_64 | UINT64_C(0xfff00000000001e6)))
            return false;
    }
    memcpy(c->pdpte, pdpte, sizeof(pdpte));
    return true;
}
