/* SPDX-License-Identifier: MIT */
/** @file
 * What the coordinator's socket and its door-keeper agree on.
 */
#ifndef TP_PROTO_ZAP_H
#define TP_PROTO_ZAP_H

#define TP__ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define TP__ZAP_DOMAIN "taskpool"

#endif
