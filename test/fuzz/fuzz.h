/*
 * fuzz.h
 *		What every target has. Include postgres.h before.
 */
#ifndef OP_FUZZ_H
#define OP_FUZZ_H

#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* A finding: libFuzzer keeps the input that led to it. */
#define must(condition) \
	do \
	{ \
		if (!(condition)) \
			abort(); \
	} while (0)

#endif
