// SPDX-License-Identifier: MIT
/*
 * Pages to give away, and address spaces made of them.
 *
 * After: Intel SDM vol. 3A, "32-Bit Paging".
 * Left out: what is free below 1 MiB, where a PC has a hole; sharing and swapping of pages.
 */
#include "os-1k/kernel/kernel.h"

#define FIRST_PAGE (KERNEL_BASE + 0x103000)
#define END_PAGE   (KERNEL_BASE + 0x400000)

enum {
    PRESENT = 1 << 0,
    WRITABLE = 1 << 1,
    USER = 1 << 2,

    ENTRIES = 1024, /* in a directory or a table */
    USER_TABLES = KERNEL_BASE >> 22,
};

/* What the monitor made: the kernel's directory, whose upper half everybody shares. */
static uint32_t *const kernel_directory = (uint32_t *)(KERNEL_BASE + 0x100000);

/* A free page holds the address of the next one. */
static void **free_list;
int pages_free;

static uint32_t physical(const void *p)
{
    return (uint32_t)p - KERNEL_BASE;
}

/* What an entry of a directory or a table points to. */
static void *target(uint32_t entry)
{
    return (void *)((entry & -PAGE_SIZE) + KERNEL_BASE);
}

void *page_alloc(void)
{
    void **page = free_list;

    if (!page)
        return NULL;
    free_list = *page;
    pages_free--;
    return memset(page, 0, PAGE_SIZE);
}

void page_free(void *page)
{
    *(void **)page = free_list;
    free_list = page;
    pages_free++;
}

void memory_init(void)
{
    for (uint32_t page = END_PAGE; page > FIRST_PAGE; page -= PAGE_SIZE)
        page_free((void *)(page - PAGE_SIZE));
    /* The identity map of the start has served; without it a NULL in the kernel is a fault too. */
    kernel_directory[0] = 0;
    directory_load(NULL);
}

uint32_t *directory_new(void)
{
    uint32_t *directory = page_alloc();

    if (directory)
        memcpy(directory + USER_TABLES, kernel_directory + USER_TABLES,
               (ENTRIES - USER_TABLES) * sizeof(*directory));
    return directory;
}

void directory_free(uint32_t *directory)
{
    for (int i = 0; i < USER_TABLES; i++) {
        uint32_t *table = target(directory[i]);

        if (!(directory[i] & PRESENT))
            continue;
        for (int j = 0; j < ENTRIES; j++)
            if (table[j] & PRESENT)
                page_free(target(table[j]));
        page_free(table);
    }
    page_free(directory);
}

void directory_load(const uint32_t *directory)
{
    uint32_t cr3 = physical(directory ? directory : kernel_directory);

    __asm__ volatile("mov cr3, %0" : : "r"(cr3) : "memory");
}

/* What an entry points to, made when there is nothing yet; NULL when no page is left. */
static void *fill(uint32_t *entry, uint32_t flags)
{
    if (!(*entry & PRESENT)) {
        void *page = page_alloc();

        if (!page)
            return NULL;
        *entry = physical(page) | PRESENT;
    }
    *entry |= flags;
    return target(*entry);
}

/* What a whole table allows, each of its pages may still forbid. */
void *user_map(uint32_t *directory, uint32_t address, bool writable)
{
    uint32_t *table = fill(&directory[address >> 22], USER | WRITABLE);

    if (!table)
        return NULL;
    return fill(&table[(address >> 12) % ENTRIES], USER | (writable ? WRITABLE : 0));
}

void *user_byte(uint32_t address, bool write)
{
    uint32_t needed = PRESENT | USER | (write ? WRITABLE : 0);
    uint32_t entry = current->directory[address >> 22];

    if ((entry & needed) != needed)
        return NULL;
    entry = ((uint32_t *)target(entry))[(address >> 12) % ENTRIES];
    if ((entry & needed) != needed)
        return NULL;
    return (char *)target(entry) + address % PAGE_SIZE;
}

bool user_may(uint32_t address, uint32_t n, bool write)
{
    if (address >= KERNEL_BASE || n > KERNEL_BASE - address)
        return false;
    for (uint32_t page = address & -PAGE_SIZE; page < address + n; page += PAGE_SIZE)
        if (!user_byte(page, write))
            return false;
    return true;
}
