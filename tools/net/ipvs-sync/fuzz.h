/* SPDX-License-Identifier: GPL-2.0 */
/* ipvs-sync: functions under the names that libFuzzer knows them by */

#ifndef _FUZZ_H
#define _FUZZ_H

#include <linux/types.h>

/* Ours: try an input; make another of it, return its length. */
int fuzz_input(const u8 *data, size_t len) asm("LLVMFuzzerTestOneInput");
size_t fuzz_mutate(u8 *data, size_t len, size_t max, unsigned int seed)
	asm("LLVMFuzzerCustomMutator");

/* Its own way to make another input. */
size_t fuzz_mutate_bytes(u8 *data, size_t len, size_t max)
	asm("LLVMFuzzerMutate");

#endif	/* _FUZZ_H */
