/* SPDX-License-Identifier: GPL-2.0 */
/* ipvs-sync: what the parts of the fuzzer share
 *
 * Each part takes any bytes, and aborts when what it checks does not hold.
 */

#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/types.h>

#include "ip_vs_sync_control.h"

#define check(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: does not hold: %s\n",	\
				__FILE__, __LINE__, #condition);	\
			abort();					\
		}							\
	} while (0)

/* Functions under the names that libFuzzer knows them by. Ours: try an input;
 * make another of it, return its length.
 */
int fuzz_input(const u8 *data, size_t len) asm("LLVMFuzzerTestOneInput");
size_t fuzz_mutate(u8 *data, size_t len, size_t max, unsigned int seed)
	asm("LLVMFuzzerCustomMutator");

/* Its own way to make another input. */
size_t fuzz_mutate_bytes(u8 *data, size_t len, size_t max)
	asm("LLVMFuzzerMutate");

/* fuzz.c */

/* A copy in memory of just that size, so that who reads on is found out */
void *copy(const void *data, size_t len);
/* What a message of so many bytes is limited to, when it is written again */
unsigned int choose_limit(const u8 *data, unsigned int len);

/* fuzz-control.c: the bytes are a control message, or nothing happens */
void fuzz_control(const u8 *data, unsigned int len);

/* fuzz-window.c, fuzz-history.c: the bytes are what happens, one by one */
void fuzz_window(const u8 *data, unsigned int len);
void fuzz_history(const u8 *data, unsigned int len);

#endif	/* _FUZZ_H */
