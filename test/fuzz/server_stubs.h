/*
 * server_stubs.h
 *		A piece of the server for code that raises errors and allocates.
 *
 * What a call allocates is freed, and what it raises is caught, by
 * fuzz_try(). Include postgres.h before.
 */
#ifndef OP_FUZZ_SERVER_STUBS_H
#define OP_FUZZ_SERVER_STUBS_H

#define FUZZ_TEXT 16384

typedef struct FuzzError
{
	int	 code;
	char message[FUZZ_TEXT];
	char detail[FUZZ_TEXT];
	char hint[FUZZ_TEXT];
} FuzzError;

/* The error that was raised last. */
extern FuzzError fuzz_error;

/* Calls it; false if it raised an error. Memory lives until fuzz_free(). */
extern bool fuzz_try(void (*call)(void *), void *argument);
extern void fuzz_free(void);

#endif
