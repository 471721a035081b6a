/* SPDX-License-Identifier: MIT */
/* Procedure Call Standard for the Arm 64-bit Architecture: x19 to x30, d8 to d15 and the control bits of fpcr are the
 * caller's.
 *
 *     sp -> | d8 ... d15 | x19 ... x28 | x29 x30 | fpcr, 8 unused |
 */
    .text
    .globl  tp__machine_switch
    .hidden tp__machine_switch
    .type   tp__machine_switch, %function
    .p2align 4
tp__machine_switch:
    .cfi_startproc
    sub     sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp     d8,  d9,  [sp, #0]
    stp     d10, d11, [sp, #16]
    stp     d12, d13, [sp, #32]
    stp     d14, d15, [sp, #48]
    stp     x19, x20, [sp, #64]
    stp     x21, x22, [sp, #80]
    stp     x23, x24, [sp, #96]
    stp     x25, x26, [sp, #112]
    stp     x27, x28, [sp, #128]
    stp     x29, x30, [sp, #144]
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]
    mov     sp, x1
    ldr     x10, [sp, #160]
    cmp     x9, x10
    b.eq    1f
    msr     fpcr, x10       /* rare, and slow */
1:  ldp     d8,  d9,  [sp, #0]
    ldp     d10, d11, [sp, #16]
    ldp     d12, d13, [sp, #32]
    ldp     d14, d15, [sp, #48]
    ldp     x19, x20, [sp, #64]
    ldp     x21, x22, [sp, #80]
    ldp     x23, x24, [sp, #96]
    ldp     x25, x26, [sp, #112]
    ldp     x27, x28, [sp, #128]
    ldp     x29, x30, [sp, #144]
    add     sp, sp, #176
    .cfi_adjust_cfa_offset -176
    mov     x0, x2          /* the result, and the entry function's parameter the first time */
    ret
    .cfi_endproc
    .size   tp__machine_switch, . - tp__machine_switch

    .globl  tp__machine_prepare
    .hidden tp__machine_prepare
    .type   tp__machine_prepare, %function
    .p2align 4
tp__machine_prepare:
    .cfi_startproc
    sub     x9, x0, #176
    stp     xzr, xzr, [x9, #0]
    stp     xzr, xzr, [x9, #16]
    stp     xzr, xzr, [x9, #32]
    stp     xzr, xzr, [x9, #48]
    stp     xzr, xzr, [x9, #64]
    stp     xzr, xzr, [x9, #80]
    stp     xzr, xzr, [x9, #96]
    stp     xzr, xzr, [x9, #112]
    stp     xzr, xzr, [x9, #128]
    stp     xzr, x1,  [x9, #144]
    mrs     x10, fpcr       /* the fiber starts with its maker's */
    stp     x10, xzr, [x9, #160]
    mov     x0, x9
    ret
    .cfi_endproc
    .size   tp__machine_prepare, . - tp__machine_prepare

    .section .note.GNU-stack, "", %progbits
