/* SPDX-License-Identifier: MIT */
/*
 * Engine 2: an x86-64 processor made of C. Its state, and what its files share.
 *
 * The files:
 *
 *     decode      bytes to operations, by the tables of opcodes that each file of handlers has
 *     disasm      bytes to text, by the same
 *     line        straight lines of operations, decoded once; the run loop
 *     memory      linear addresses: page walks, the TLB, reads and writes
 *     segment     segment registers and descriptors; selector: instructions on them
 *     exception   faults and interrupts, and how they are delivered
 *     gate        far jumps, calls and returns, IRET, system calls; task: the task switch
 *     control     near jumps, calls, returns; flags
 *     integer     arithmetic and logic; move, muldiv, bits, bmi: what their names say
 *     family      how an operation gets handlers for each size and place of its operands; what
 *                 *-sized.h have is made once for each size, by sizes.h
 *     string      movs, stos, ins and their kin
 *     system      control registers, I/O; msr; cpuid: what it says it is
 *     x87, mmx    floating point, and vectors in its registers
 *     sse         moves; sse-int, sse-float, sse4, sse-string: the rest
 *     xsave       all of these registers as memory
 *     engine      what stands behind x86/vcpu.h
 *
 * Words, in the order in which one instruction meets what they mean:
 *
 *     row        The bytes of an instruction are found in the tables of opcodes, each row of
 *                which is an instruction in the manual's notation. What they mean depends on the
 *                mode: 16, 32 or 64 bits, and a few things more, which soft.mode keeps as one
 *                number.
 *     operation  The decoded instruction, struct soft_op: registers, address, immediate, the
 *                number of its row, and its handler, the function that executes it.
 *     kind       How an address in memory becomes a linear one. FLAT64 and FLAT32 need no look at
 *                the segment, and are right for most code; ANYHOW is right for all.
 *     forms      The handlers of one operation with operands of one size: for a register, and for
 *                memory of each kind. The decoder chooses once, so that handlers need not ask.
 *     line       The operations of a piece of code up to a jump that is always taken, or to the
 *                end of its page. Each handler goes on to the next by a jump of its own. A line
 *                is kept until its code is written to; near jumps have links to the lines that
 *                they lead to.
 *     TLB        Where a page of RAM is on the host. There is a TLB for each view of the page
 *                tables, as it depends on the privilege level and on SMAP who may access a page;
 *                soft.tlb is the one in use. What it does not know goes the slow way: page walks,
 *                operands across two pages, chips, pages that have code.
 *     flags      The host's own instruction computes a result and the flags with it, which stand
 *                in soft.arith.
 *     fault      soft_raise() leaves the handler by longjmp(). soft.op says which operation that
 *                was, by which RIP and the count of instructions are put right: within a line
 *                they are not. An instruction is precise: it changes nothing before its last
 *                access that may fault. Then the run loop delivers the exception.
 *     request    What other threads want: an interrupt, a stop, that code is forgotten. They set
 *                a bit in soft.request, and soft.stop_at so that no further line begins. Between
 *                lines the run loop looks at requests.
 *
 * All of it belongs to the vCPU's own thread but what says "any thread".
 */
#ifndef X86_SOFT_SOFT_H
#define X86_SOFT_SOFT_H

#include "hw/lapic.h"
#include "x86/cpu.h"
#include "x86/cpuid.h"
#include "x86/vcpu.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

struct soft;
struct soft_op;
struct soft_line;

/* Executes one operation, and goes on with the next one of the line by SOFT_NEXT. Or returns: then
 * the line has ended and c->r[RIP] says where the next one begins. */
typedef void soft_handler(struct soft *c, const struct soft_op *op);

/* Segment registers, in the order of their encoding. */
enum {
    ES,
    CS,
    SS,
    DS,
    FS,
    GS,
    SEGMENTS
};

/* The rest of the register file. */
enum {
    NO_REG = 16, /* always 0: the base or index of an address that has none */
    RIP = 17,    /* where the line being run begins, as an offset in CS */
    REGISTERS
};

/*
 * A decoded instruction, ready to run. General registers are named by their offset in bytes in
 * c->r, so that AH is RAX's offset + 1; all other registers by their number.
 */
struct soft_op {
    soft_handler *run;
    union {
        uint64_t imm;           /* the immediate, sign-extended; of a far pointer its offset */
        uint8_t modrm;          /* of x87: the ModRM byte */
        struct soft_line *link; /* of a direct near branch: where it leads to, or NULL */
    };
    union {
        int64_t disp;   /* of the address */
        int64_t target; /* of a direct near branch: from the line's begin to where it leads */
        uint64_t imm2;  /* the second immediate; of a far pointer its selector */
    };
    uint8_t base, index, scale; /* of the address: offsets of registers, and a shift */
    uint8_t segment;            /* of the address, prefixes applied */
    uint8_t reg, rm;            /* ModRM's registers; rm where it is not memory */
    union {
        uint8_t vreg; /* VEX's register */
        uint8_t rest; /* of a near branch: instructions of its line that follow it */
    };
    uint8_t len;          /* of the instruction in bytes */
    uint8_t osize, asize; /* log2 of the operand's and the address's size in bytes */
    uint8_t prefix : 5;   /* SOFT_LOCK ... */
    bool mem : 1;         /* ModRM names memory */
    bool linked : 1;      /* it has a link: a direct near branch, or the end of a line */
    bool near : 1;        /* and its target lies in the page of its line */
    uint8_t opcode;       /* the opcode's last byte, for handlers of several instructions */
    uint16_t offset;      /* of the instruction from the line's begin, in bytes */
    uint16_t row;         /* which instruction it is: see soft_row() */
};

_Static_assert(sizeof(struct soft_op) == 40, "lines are made of many");

enum {
    SOFT_LOCK = 1,
    SOFT_REP = 2,   /* f3 */
    SOFT_REPNE = 4, /* f2 */
    SOFT_DATA = 8,  /* 66 */
    SOFT_REX_W = 16,
};

/* What an access is for; a set of rights. */
enum {
    ACCESS_READ = 1,
    ACCESS_WRITE = 2,
    ACCESS_EXECUTE = 4,
};

/* How an operation's linear address is computed, from the quickest to the general way. */
enum {
    FLAT64, /* 64-bit address, segment without a base */
    FLAT32, /* 32-bit address, segment of 4 GiB at 0 that may be read and written */
    ANYHOW,
    KINDS
};

/* The offsets, first..last, that a segment register allows, and the kinds of access. */
struct soft_window {
    uint64_t base, first, last;
    uint8_t rights;
};

/*
 * The TLB has an entry for each of its slots' pages of 4 KiB: the linear address of the page, once
 * for each kind of access that may go straight to RAM; SOFT_TLB_NONE for the others.
 */
enum {
    SOFT_TLB_SIZE = 1024,
};
#define SOFT_TLB_NONE   UINT64_C(1) /* no page begins there */
#define SOFT_PAGE       UINT64_C(0xfff)
#define SOFT_CACHE_LINE 64 /* bytes */

struct soft_tlb_entry {
    uint64_t read, write;
    uintptr_t host; /* address on the host - linear address */
} __attribute__((aligned(32)));

/* Which slots have been filled, so that forgetting them costs what was used: a bit for each. What
 * is global stays when CR3 is loaded. */
struct soft_filled {
    uint64_t map[2][SOFT_TLB_SIZE / 64]; /* [global][slot / 64] */
};

/* There are several, because whether a page may be accessed depends on who asks. */
enum {
    TLB_SUPERVISOR, /* user pages as SMAP leaves them */
    TLB_SMAP_OFF,   /* supervisor with EFLAGS.AC */
    TLB_USER,
    TLB_CAREFUL, /* always empty: every access is to be looked at */
    TLBS
};

struct soft_tlb {
    struct soft_tlb_entry entry[SOFT_TLB_SIZE];
    struct soft_filled filled;
};

/*
 * Where an operand lies, in one page or two, once its access has been allowed. Another CPU may
 * change the page tables while an instruction runs: what must happen to the whole operand or not at
 * all asks them once, and then uses this.
 */
struct soft_span {
    struct soft_part {
        uint64_t gpa;
        uint8_t *host; /* NULL: a chip */
        int n;         /* bytes; 0 for a second part that is not there */
    } part[2];
};

/* A TLB for code, which needs only its guest-physical address. */
struct soft_code_tlb_entry {
    uint64_t linear; /* of the page, | its rights: MODE_USER */
    uint64_t gpa;
    bool global;
};
enum {
    SOFT_CODE_TLB_SIZE = 256,
    SOFT_LARGE = 1024, /* bits of soft.large */
};

/* x87, MMX and SSE registers, as FXSAVE lays them out in 64-bit mode. */
struct soft_fpu {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved; /* abridged: a bit for each register that is not empty */
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t rest[96];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct soft_fpu) == 512, "as FXSAVE has it");

/* What other threads want of the CPU: bits of soft.request. */
enum {
    REQUEST_LOOK = 1 << 0,      /* come back to the machine */
    REQUEST_INTERRUPT = 1 << 1, /* there may be one */
    REQUEST_NMI = 1 << 2,
    REQUEST_NEXT_NMI = 1 << 7, /* one more NMI */
    REQUEST_NMIS = REQUEST_NMI | REQUEST_NEXT_NMI,
    REQUEST_INIT = 1 << 3,
    REQUEST_STARTUP = 1 << 4, /* vector in soft.startup */
    REQUEST_CODE_NOTED =
        1 << 5, /* another CPU decoded code in pages that this TLB may hold as writable */
    REQUEST_CODE_CHANGED = 1 << 6, /* another CPU wrote to code */
};

struct soft_cache; /* line.c */

/* Page numbers that a CPU is told. */
struct soft_news {
    int n; /* more than page[] has room for: it may be any page */
    size_t page[32];
};

struct soft {
    uint64_t r[REGISTERS];

    /* The arithmetic flags as the host's LAHF and SETO leave them: SF ZF AF PF CF in bits 15-8 as
     * in EFLAGS 7-0, OF in bit 0. All other flags are in eflags, where these are 0. */
    uint16_t arith;
    uint32_t eflags;

    uint64_t counted; /* what count was when the statistics began */
    uint64_t count;   /* instructions begun, including those that faulted; a line's are counted when
                       * it begins */

    /* Any thread, atomic: no line begins that would reach this count. 0 to stop soon. */
    uint64_t stop_at;
    uint32_t request; /* any thread, atomic: why */
    uint8_t startup;

    const struct soft_op *op; /* set this before calling anything that may raise */
    struct soft_line *line;   /* whose line is being run */
    struct soft_tlb *tlb;     /* the one for what runs now */
    struct soft_window window[SEGMENTS];
    uint64_t linear_mask; /* 32 bits outside 64-bit mode */
    uint32_t mode;        /* what the meaning of code depends on: soft_mode() */
    uint8_t code_size;    /* log2 of the default operand and address size: 1, 2, 3 */
    uint8_t stack_size;   /* log2 of the stack pointer's size: 1, 2, 3 */
    uint8_t cpl;

    bool shadow;              /* no interrupt before the next instruction has ended */
    bool quiet;               /* nor #DB: SS was loaded */
    bool halted;              /* HLT, waits for an interrupt */
    bool waiting_for_startup; /* after INIT, not the first CPU */
    bool nmi_masked;          /* until IRET */
    bool stepped;             /* TF was set when the instruction began, and will trap */
    uint32_t hit;             /* DR6 bits of breakpoints met by the instruction being run */

    struct segment segment[SEGMENTS], ldt, tr;
    struct descriptor_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t pdpte[4]; /* of PAE paging, loaded with CR3 */
    uint64_t dr[8];
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t tsc_hz; /* as the machine has it */
    uint64_t tsc_offset, tsc_adjust, pat, misc_enable, mtrr_def_type;
    uint64_t mtrr_fixed[11], mtrr_variable[16]; /* stored, and never looked at */

    struct soft_fpu fpu;

    /* What set() left to be delivered, an interrupt or NMI (enum cpu_event). */
    uint8_t event, event_vector;

    /* The exception that soft_raise() left with, and whether it waits to be delivered. */
    jmp_buf fault;
    bool raised;
    int vector;
    uint32_t error_code;
    bool has_error_code;
    bool chained;            /* it was raised while another event was delivered */
    struct vcpu_event first; /* the last one that was not chained */
    int delivering; /* vector of the exception being delivered, 256 and more for an interrupt, -1
                     * for none */

    /* The access between soft_rmw() and soft_rmw_end(), and what is left for the second to do. */
    struct {
        enum {
            BOUNCE_NOTHING,
            BOUNCE_COPY, /* write data back and release vm->split: the operand crosses cache lines
                          * or pages, or is a chip's */
            BOUNCE_CODE, /* tell CPUs that their code was written to */
        } left;
        struct soft_span span;
        uint8_t data[16] __attribute__((aligned(16)));
        uint8_t old[16]; /* data as it was */

        /* The accesses to a chip meanwhile, as each byte of it may be one. */
        struct soft_traced {
            uint64_t gpa, val;
            int size;
            bool write;
        } traced[2 * 16];
        int traceds;
    } bounce;

    /* For what a handler passes by address: its own frame is gone when it goes on. */
    uint8_t scratch[16] __attribute__((aligned(16)));

    struct lapic lapic; /* with config.apic; machine lock */
    struct cpuid cpuid; /* empty until somebody asks */
    struct soft_cache *cache;
    struct soft_vm *vm;
    struct vcpu *vcpu;
    uint64_t random; /* state of soft_random() with the instruction clock */
    int wake_fd;
    bool sleeping;  /* any thread, atomic: it waits at wake_fd */
    bool away;      /* any thread, atomic: it is not in run(), where it looks at requests first */
    uint64_t knows; /* any thread, atomic: vm->noted as of when it last heard */
    struct soft_news noted, changed;              /* any thread, vm->news */
    uint64_t misses, io, halts, mmio, interrupts; /* statistics */

    /* Where the TLBs may have pieces of larger pages, which are forgotten together: a bit for each
     * 4 MiB and each GiB of addresses, by its number modulo. */
    uint64_t large[SOFT_LARGE / 64], giant;

    struct soft_code_tlb_entry code_tlb[SOFT_CODE_TLB_SIZE];
    struct soft_filled code_filled;
    struct soft_tlb tlbs[TLBS];
};

/* ---- line.c ---- */

/* End the line after op, which is no branch: the rest of the line may mean something else now.
 * `return soft_leave(c, op);` */
void soft_leave(struct soft *c, const struct soft_op *op);

/* The offset of the instruction op, and of the one after it, in CS. */
uint64_t soft_ip(const struct soft *c, const struct soft_op *op);
uint64_t soft_next_ip(const struct soft *c, const struct soft_op *op);

/* Instructions executed before c->op, or before what comes next where that is not set. */
uint64_t soft_executed(const struct soft *c);

/* c->r[RIP] is set: go on there, quickly where it has been before. `return soft_go(c);` */
void soft_go(struct soft *c);

/* Derive c->mode, windows, sizes and the TLB in use anew: segments, CPL, CR0, CR4, EFER, EFLAGS.AC
 * or VM have changed. Only between lines: the handler leaves. */
void soft_mode(struct soft *c);

/* Look at requests before the next line. */
static inline void soft_attend(struct soft *c)
{
    __atomic_store_n(&c->stop_at, 0, __ATOMIC_SEQ_CST);
}

/* This CPU is about to write to RAM in a page of which some CPU has code: forget this CPU's own
 * lines there. Then, once it has written: have the others forget theirs. gpa..gpa+size-1 lies in
 * one page. */
void soft_code_written(struct soft *c, uint64_t gpa, int size);
void soft_code_changed(struct soft *c, uint64_t gpa);

/* ---- exception.c ---- */

/* Raise a fault of the instruction c->op. Nothing of it has happened yet. */
_Noreturn void soft_raise(struct soft *c, int vector);
_Noreturn void soft_raise_code(struct soft *c, int vector, uint32_t error_code);

/* Set in DR6 why there will be #DB. Breakpoints of earlier ones are cleared, all else stays.
 */
void soft_note_debug(struct soft *c, uint32_t conditions);

/* Where an event comes from: it decides on privilege checks and the error code's EXT bit. */
enum soft_source {
    SOURCE_EXCEPTION, /* fault or trap of the processor, in c->vector ... */
    SOURCE_SOFTWARE,  /* INT n, INT3, INTO: DPL of the gate counts */
    SOURCE_INT1,      /* like an exception, but a trap */
    SOURCE_EXTERNAL,  /* interrupt or NMI */
};

/*
 * Deliver an event through the IDT: c->r[RIP] is the return address to push. It may raise another
 * exception. Sets the new CS:RIP; the caller leaves its line.
 */
void soft_interrupt(struct soft *c, int vector, enum soft_source source, bool has_error_code,
                    uint32_t error_code);

/*
 * The run loop caught a fault. If it was raised while another event was delivered, it takes that
 * event's place, or both become a double fault. False when the event was a double fault already:
 * the CPU shuts down. Else the fault is to be delivered, which may raise the next one. The chain
 * may be endless, for example of alignment checks: the run loop looks at requests in between.
 */
bool soft_catch_fault(struct soft *c);
void soft_deliver_fault(struct soft *c);

/* ---- segment.c ---- */

/* Load a segment register as MOV and POP do, with all checks of the present mode. */
void soft_load_segment(struct soft *c, int seg, uint16_t selector);

/* As soft_mode(), when only EFLAGS.AC, DR7, CR0.AM or CR4.SMAP has changed. At any time. */
void soft_choose_tlb(struct soft *c);

/* ---- task.c ---- */

/* May the program access these ports? Raises #GP(0). */
void soft_check_io_permission(struct soft *c, uint16_t port, int size);

/* ---- memory.c ---- */

/* Is it a sign-extended address of 48 bits? */
static inline bool soft_canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

/*
 * Slow accesses: whatever the TLB does not know, pages crossed, chips. size is 1, 2, 4 or 8. seg is
 * the address's segment, which decides between #GP and #SS where it is not canonical. They raise by
 * c->op.
 */
uint64_t soft_load_slow(struct soft *c, int seg, uint64_t linear, int size);
void soft_store_slow(struct soft *c, int seg, uint64_t linear, int size, uint64_t val);

/* The same for any number of bytes up to a page; a store happens whole or not at all. */
void soft_load_bytes(struct soft *c, int seg, uint64_t linear, void *buf, int n);
void soft_store_bytes(struct soft *c, int seg, uint64_t linear, const void *buf, int n);

/*
 * Where linear..linear+size-1 is on the host, to be read and then written (or only looked at, when
 * the instruction turns out to write nothing: x86 checks for the right to write all the same).
 * Where that is not one piece of RAM within a line of the host's cache, it is a copy that
 * soft_rmw_end() writes back; only one CPU of the machine has a copy at a time. So operands across
 * two lines are changed atomically with regard to each other, but not to an aligned operand that
 * overlaps one of them, nor to a plain store between copying and writing back. size 1 to 16.
 */
void *soft_rmw_slow(struct soft *c, int seg, uint64_t linear, int size);
void soft_rmw_commit(struct soft *c);

/* Ports are accessed: note breakpoints there. */
void soft_watch_ports(struct soft *c, uint16_t port, int size);

/* A store in two steps, so that nothing is lost or done twice: the first may raise, the second does
 * not. size is 1, 2 or 4. */
void soft_store_begin(struct soft *c, int seg, uint64_t linear, int size);
void soft_store_end(struct soft *c, uint64_t val);

/* Raise unless n bytes may be accessed so. Another CPU may change that before they are accessed:
 * what must be done as a whole is done with a span. */
void soft_probe(struct soft *c, int seg, uint64_t linear, int n, int access);

/* Where at most *n bytes of RAM at linear are on the host for this access; *n is cut to those in
 * one page. NULL where the slow way is needed, byte by byte. Raises as the first byte would. For
 * string instructions. A page with code is never given for writing. */
void *soft_piece(struct soft *c, int seg, uint64_t linear, int access, uint64_t *n);

/* The processor's own accesses, to descriptor tables and task states: as supervisor whatever the
 * CPL; EFLAGS.AC does not lift SMAP for them. */
uint64_t soft_system_load(struct soft *c, uint64_t linear, int size);
void soft_system_bits(struct soft *c, uint64_t linear, uint8_t clear, uint8_t set); /* of a byte */

/* Check that the processor itself may write n bytes. Writing them then raises nothing: size bytes
 * from the at-th on, or bits of the first byte. */
struct soft_span soft_system_span(struct soft *c, uint64_t linear, int n);
void soft_span_store(struct soft *c, const struct soft_span *span, int at, int size, uint64_t val);
void soft_span_bits(struct soft *c, const struct soft_span *span, uint8_t clear, uint8_t set);

/* Code: up to n bytes at linear, those in its page; *gpa is where they lie. Raises. */
int soft_fetch(struct soft *c, uint64_t linear, uint8_t *buf, int n, uint64_t *gpa);

/* Forget translations: all, all but global ones, those of one page. soft_empty_tlb() does so at
 * the very beginning. */
void soft_empty_tlb(struct soft *c);
void soft_flush_tlb(struct soft *c, bool global);
void soft_flush_page(struct soft *c, uint64_t linear);

/* Load the PDPTEs of PAE paging from cr3; false when a reserved bit is set. */
bool soft_load_pdptes(struct soft *c, uint64_t cr3);

/* ---- engine.c ---- */

/* HLT: wait for an interrupt, when the line has ended. */
void soft_halt(struct soft *c);

/* Ports. */
uint64_t soft_in(struct soft *c, uint16_t port, int size);
void soft_out(struct soft *c, uint16_t port, int size, uint64_t val);

/* Chips in memory: 1, 2, 4 or 8 bytes. */
uint64_t soft_mmio_read(struct soft *c, uint64_t gpa, int size);
void soft_mmio_write(struct soft *c, uint64_t gpa, int size, uint64_t val);

/* Trace those that were made with vm->split held, which is no longer. */
void soft_trace_bounce(struct soft *c);

/* From now on the TSC is ahead of the machine's clock by this. */
void soft_set_tsc_offset(struct soft *c, uint64_t offset);

/* Nanoseconds of the machine's clock; the TSC is the cycles made by then, plus tsc_offset. */
uint64_t soft_now(struct soft *c);
static inline uint64_t soft_tsc(struct soft *c)
{
    return clock_cycles(soft_now(c), c->tsc_hz) + c->tsc_offset;
}

/* The local APIC's part: MSRs 0x1b, 0x6e0, 0x8xx, and CR8. False for #GP, and always without an
 * APIC.
 */
bool soft_apic_rdmsr(struct soft *c, uint32_t msr, uint64_t *val);
bool soft_apic_wrmsr(struct soft *c, uint32_t msr, uint64_t val);
uint8_t soft_cr8(struct soft *c);
void soft_set_cr8(struct soft *c, uint8_t val);

/* A random number: the host's; with the instruction clock a sequence that repeats. */
uint64_t soft_random(struct soft *c);

/* ---- msr.c ---- */

/* RDMSR and WRMSR. False for #GP: there is no such register, or it does not take the value. Code
 * may mean something else after a write: call soft_mode(), and leave. */
bool soft_rdmsr(struct soft *c, uint32_t msr, uint64_t *val);
bool soft_wrmsr(struct soft *c, uint32_t msr, uint64_t val);

/* ---- cpuid.c ---- */

struct cpuid_answer {
    uint32_t eax, ebx, ecx, edx;
};
struct cpuid_answer soft_cpuid(struct soft *c, uint32_t leaf, uint32_t index);

/* Features that CPUID offers, but for those that depend on the machine. A name of NULL ends the
 * list.
 */
struct soft_feature {
    uint32_t leaf, index;
    enum {
        SOFT_EAX,
        SOFT_EBX,
        SOFT_ECX,
        SOFT_EDX,
    } reg;
    uint8_t bit;
    bool portable;    /* see x86/cpuid.h */
    const char *name; /* as Linux calls it */
};
extern const struct soft_feature soft_features[];

/* Bits of CR4 that this processor has. */
uint64_t soft_cr4_bits(const struct soft *c);

/* ---- x87.c, sse.c, xsave.c ---- */

/* As INIT of these components leaves them: all registers empty or 0. */
void soft_fpu_reset(struct soft_fpu *f);

#endif
