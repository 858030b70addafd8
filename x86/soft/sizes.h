/* SPDX-License-Identifier: MIT */
/*
 * Includes the file TEMPLATE once for each size that an operand can have. There
 *
 *     SIZE         is log2 of the operand's bytes, 0 to 3;
 *     TYPE         is the operand where it is in memory or among the registers;
 *     REG          makes of an operand of asm that size's part of its register: "%" REG "0";
 *     SIZED(name)  is name_b, name_w, name_d or name_q: the letters are those of the opcode tables.
 */
#define SIZE        0
#define TYPE        uint8_t
#define REG         "b"
#define SIZED(name) name##_b
#include TEMPLATE
#undef SIZE
#undef TYPE
#undef REG
#undef SIZED

#define SIZE        1
#define TYPE        any16
#define REG         "w"
#define SIZED(name) name##_w
#include TEMPLATE
#undef SIZE
#undef TYPE
#undef REG
#undef SIZED

#define SIZE        2
#define TYPE        any32
#define REG         "k"
#define SIZED(name) name##_d
#include TEMPLATE
#undef SIZE
#undef TYPE
#undef REG
#undef SIZED

#define SIZE        3
#define TYPE        any64
#define REG         "q"
#define SIZED(name) name##_q
#include TEMPLATE
#undef SIZE
#undef TYPE
#undef REG
#undef SIZED
