/* SPDX-License-Identifier: MIT */
/*
 * Text that comes from outside, such as the names of files and symbols, on its way to a terminal.
 */
#ifndef HW_TEXT_H
#define HW_TEXT_H

/* Replace by '?' each byte of s that a terminal would obey instead of showing: control characters,
 * and what is not UTF-8. Returns s. */
char *text_make_plain(char *s);

#endif
