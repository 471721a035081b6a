/* SPDX-License-Identifier: MIT */
/** @file
 * Preprocessor arithmetic for TP_TASK and its callers: counting arguments, and doing something for each parameter.
 * Internal.
 */
#ifndef TASKPOOL_DETAIL_COUNT_H
#define TASKPOOL_DETAIL_COUNT_H

#define TP__CAT(a, b) TP__CAT_(a, b)
#define TP__CAT_(a, b) a##b
#define TP__APPLY(macro, arguments) macro arguments
#define TP__UNPAREN(...) __VA_ARGS__
/* A name that no enclosing use of the same macro has: keeps -Wshadow quiet. */
#define TP__UNIQUE TP__CAT(tp__unique_, __COUNTER__)

/* The number of arguments after the first: 0 to 47. */
#define TP__COUNT_REST(...)                                                                                          \
    TP__PICK_48(__VA_ARGS__, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, \
                25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
/* The same for a list of parameters: past 16 the word MANY. */
#define TP__COUNT_PARAMETERS(...)                                                                                      \
    TP__PICK_48(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
                MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16,    \
                15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define TP__PICK_48(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, \
                    a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, \
                    a40, a41, a42, a43, a44, a45, a46, a47, picked, ...)                                           \
    picked

#define TP__IS_VOID(type) TP__SECOND(TP__CAT(TP__VOID_, type), 0)
#define TP__VOID_void ~, 1
#define TP__SECOND(...) TP__SECOND_(__VA_ARGS__, ~)
#define TP__SECOND_(a, b, ...) b
#define TP__IF(condition, yes, no) TP__CAT(TP__IF_, condition)(yes, no)
#define TP__IF_1(yes, no) yes
#define TP__IF_0(yes, no) no

/* OK if each parameter is a (type, name), else BAD; MANY if there are too many. */
#define TP__FORM(n, ...) TP__FORM_##n(__VA_ARGS__)
#define TP__FORM_MANY(...) MANY
#define TP__FORM_0(...) OK
#define TP__FORM_1(a) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(OK)
#define TP__FORM_2(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_1(__VA_ARGS__))
#define TP__FORM_3(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_2(__VA_ARGS__))
#define TP__FORM_4(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_3(__VA_ARGS__))
#define TP__FORM_5(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_4(__VA_ARGS__))
#define TP__FORM_6(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_5(__VA_ARGS__))
#define TP__FORM_7(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_6(__VA_ARGS__))
#define TP__FORM_8(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_7(__VA_ARGS__))
#define TP__FORM_9(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_8(__VA_ARGS__))
#define TP__FORM_10(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_9(__VA_ARGS__))
#define TP__FORM_11(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_10(__VA_ARGS__))
#define TP__FORM_12(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_11(__VA_ARGS__))
#define TP__FORM_13(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_12(__VA_ARGS__))
#define TP__FORM_14(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_13(__VA_ARGS__))
#define TP__FORM_15(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_14(__VA_ARGS__))
#define TP__FORM_16(a, ...) TP__CAT(TP__FORM_IF_, TP__IS_PAIR(a))(TP__FORM_15(__VA_ARGS__))
#define TP__FORM_IF_1(form) form
#define TP__FORM_IF_0(form) BAD
#define TP__IS_PAIR(a) TP__CAT(TP__IS_PAIR_, TP__IS_PARENTHESISED(a))(a)
#define TP__IS_PAIR_0(a) 0
#define TP__IS_PAIR_1(a) TP__CAT(TP__IS_TWO_, TP__COUNT_REST a)
#define TP__IS_PARENTHESISED(a) TP__SECOND(TP__PARENTHESISED a, 0)
#define TP__PARENTHESISED(...) ~, 1
#define TP__IS_TWO_0 0
#define TP__IS_TWO_1 1
#define TP__IS_TWO_2 0
#define TP__IS_TWO_3 0
#define TP__IS_TWO_4 0
#define TP__IS_TWO_5 0
#define TP__IS_TWO_6 0
#define TP__IS_TWO_7 0
#define TP__IS_TWO_8 0
#define TP__IS_TWO_9 0
#define TP__IS_TWO_10 0
#define TP__IS_TWO_11 0
#define TP__IS_TWO_12 0
#define TP__IS_TWO_13 0
#define TP__IS_TWO_14 0
#define TP__IS_TWO_15 0
#define TP__IS_TWO_16 0
#define TP__IS_TWO_17 0
#define TP__IS_TWO_18 0
#define TP__IS_TWO_19 0
#define TP__IS_TWO_20 0
#define TP__IS_TWO_21 0
#define TP__IS_TWO_22 0
#define TP__IS_TWO_23 0
#define TP__IS_TWO_24 0
#define TP__IS_TWO_25 0
#define TP__IS_TWO_26 0
#define TP__IS_TWO_27 0
#define TP__IS_TWO_28 0
#define TP__IS_TWO_29 0
#define TP__IS_TWO_30 0
#define TP__IS_TWO_31 0
#define TP__IS_TWO_32 0
#define TP__IS_TWO_33 0
#define TP__IS_TWO_34 0
#define TP__IS_TWO_35 0
#define TP__IS_TWO_36 0
#define TP__IS_TWO_37 0
#define TP__IS_TWO_38 0
#define TP__IS_TWO_39 0
#define TP__IS_TWO_40 0
#define TP__IS_TWO_41 0
#define TP__IS_TWO_42 0
#define TP__IS_TWO_43 0
#define TP__IS_TWO_44 0
#define TP__IS_TWO_45 0
#define TP__IS_TWO_46 0
#define TP__IS_TWO_47 0

/* TP__EACH: macro(task, parameter) for each parameter. TP__LIST: the same with commas between, macro_0 for none. */
#define TP__EACH_0(macro, task, ...)
#define TP__EACH_1(macro, task, a) macro(task, a)
#define TP__EACH_2(macro, task, a, ...) macro(task, a) TP__EACH_1(macro, task, __VA_ARGS__)
#define TP__EACH_3(macro, task, a, ...) macro(task, a) TP__EACH_2(macro, task, __VA_ARGS__)
#define TP__EACH_4(macro, task, a, ...) macro(task, a) TP__EACH_3(macro, task, __VA_ARGS__)
#define TP__EACH_5(macro, task, a, ...) macro(task, a) TP__EACH_4(macro, task, __VA_ARGS__)
#define TP__EACH_6(macro, task, a, ...) macro(task, a) TP__EACH_5(macro, task, __VA_ARGS__)
#define TP__EACH_7(macro, task, a, ...) macro(task, a) TP__EACH_6(macro, task, __VA_ARGS__)
#define TP__EACH_8(macro, task, a, ...) macro(task, a) TP__EACH_7(macro, task, __VA_ARGS__)
#define TP__EACH_9(macro, task, a, ...) macro(task, a) TP__EACH_8(macro, task, __VA_ARGS__)
#define TP__EACH_10(macro, task, a, ...) macro(task, a) TP__EACH_9(macro, task, __VA_ARGS__)
#define TP__EACH_11(macro, task, a, ...) macro(task, a) TP__EACH_10(macro, task, __VA_ARGS__)
#define TP__EACH_12(macro, task, a, ...) macro(task, a) TP__EACH_11(macro, task, __VA_ARGS__)
#define TP__EACH_13(macro, task, a, ...) macro(task, a) TP__EACH_12(macro, task, __VA_ARGS__)
#define TP__EACH_14(macro, task, a, ...) macro(task, a) TP__EACH_13(macro, task, __VA_ARGS__)
#define TP__EACH_15(macro, task, a, ...) macro(task, a) TP__EACH_14(macro, task, __VA_ARGS__)
#define TP__EACH_16(macro, task, a, ...) macro(task, a) TP__EACH_15(macro, task, __VA_ARGS__)
#define TP__LIST_0(macro, task, ...) macro##_0
#define TP__LIST_1(macro, task, a) macro(task, a)
#define TP__LIST_2(macro, task, a, ...) macro(task, a), TP__LIST_1(macro, task, __VA_ARGS__)
#define TP__LIST_3(macro, task, a, ...) macro(task, a), TP__LIST_2(macro, task, __VA_ARGS__)
#define TP__LIST_4(macro, task, a, ...) macro(task, a), TP__LIST_3(macro, task, __VA_ARGS__)
#define TP__LIST_5(macro, task, a, ...) macro(task, a), TP__LIST_4(macro, task, __VA_ARGS__)
#define TP__LIST_6(macro, task, a, ...) macro(task, a), TP__LIST_5(macro, task, __VA_ARGS__)
#define TP__LIST_7(macro, task, a, ...) macro(task, a), TP__LIST_6(macro, task, __VA_ARGS__)
#define TP__LIST_8(macro, task, a, ...) macro(task, a), TP__LIST_7(macro, task, __VA_ARGS__)
#define TP__LIST_9(macro, task, a, ...) macro(task, a), TP__LIST_8(macro, task, __VA_ARGS__)
#define TP__LIST_10(macro, task, a, ...) macro(task, a), TP__LIST_9(macro, task, __VA_ARGS__)
#define TP__LIST_11(macro, task, a, ...) macro(task, a), TP__LIST_10(macro, task, __VA_ARGS__)
#define TP__LIST_12(macro, task, a, ...) macro(task, a), TP__LIST_11(macro, task, __VA_ARGS__)
#define TP__LIST_13(macro, task, a, ...) macro(task, a), TP__LIST_12(macro, task, __VA_ARGS__)
#define TP__LIST_14(macro, task, a, ...) macro(task, a), TP__LIST_13(macro, task, __VA_ARGS__)
#define TP__LIST_15(macro, task, a, ...) macro(task, a), TP__LIST_14(macro, task, __VA_ARGS__)
#define TP__LIST_16(macro, task, a, ...) macro(task, a), TP__LIST_15(macro, task, __VA_ARGS__)
/* Each but the first. */
#define TP__REST_0(macro, task, ...)
#define TP__REST_1(macro, task, a)
#define TP__REST_2(macro, task, a, ...) TP__EACH_1(macro, task, __VA_ARGS__)
#define TP__REST_3(macro, task, a, ...) TP__EACH_2(macro, task, __VA_ARGS__)
#define TP__REST_4(macro, task, a, ...) TP__EACH_3(macro, task, __VA_ARGS__)
#define TP__REST_5(macro, task, a, ...) TP__EACH_4(macro, task, __VA_ARGS__)
#define TP__REST_6(macro, task, a, ...) TP__EACH_5(macro, task, __VA_ARGS__)
#define TP__REST_7(macro, task, a, ...) TP__EACH_6(macro, task, __VA_ARGS__)
#define TP__REST_8(macro, task, a, ...) TP__EACH_7(macro, task, __VA_ARGS__)
#define TP__REST_9(macro, task, a, ...) TP__EACH_8(macro, task, __VA_ARGS__)
#define TP__REST_10(macro, task, a, ...) TP__EACH_9(macro, task, __VA_ARGS__)
#define TP__REST_11(macro, task, a, ...) TP__EACH_10(macro, task, __VA_ARGS__)
#define TP__REST_12(macro, task, a, ...) TP__EACH_11(macro, task, __VA_ARGS__)
#define TP__REST_13(macro, task, a, ...) TP__EACH_12(macro, task, __VA_ARGS__)
#define TP__REST_14(macro, task, a, ...) TP__EACH_13(macro, task, __VA_ARGS__)
#define TP__REST_15(macro, task, a, ...) TP__EACH_14(macro, task, __VA_ARGS__)
#define TP__REST_16(macro, task, a, ...) TP__EACH_15(macro, task, __VA_ARGS__)
/* The first; nothing for none. */
#define TP__FIRST_0(...) (struct tp__nothing, none)
#define TP__FIRST_1(a, ...) a
#define TP__FIRST_2(a, ...) a
#define TP__FIRST_3(a, ...) a
#define TP__FIRST_4(a, ...) a
#define TP__FIRST_5(a, ...) a
#define TP__FIRST_6(a, ...) a
#define TP__FIRST_7(a, ...) a
#define TP__FIRST_8(a, ...) a
#define TP__FIRST_9(a, ...) a
#define TP__FIRST_10(a, ...) a
#define TP__FIRST_11(a, ...) a
#define TP__FIRST_12(a, ...) a
#define TP__FIRST_13(a, ...) a
#define TP__FIRST_14(a, ...) a
#define TP__FIRST_15(a, ...) a
#define TP__FIRST_16(a, ...) a

#endif
