/* SPDX-License-Identifier: MIT */
/** @file
 * Whether this is built with a sanitizer: TP__ADDRESS_SANITIZER, TP__THREAD_SANITIZER (defined or not). gcc and clang
 * say it differently.
 */
#ifndef TP_BASE_SANITIZED_H
#define TP_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define TP__ADDRESS_SANITIZER 1
#elif defined(__SANITIZE_THREAD__)
#define TP__THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TP__ADDRESS_SANITIZER 1
#elif __has_feature(thread_sanitizer)
#define TP__THREAD_SANITIZER 1
#endif
#endif

#endif
