/*
 * check.h
 *	  What the tests of the cryptographic primitives share: TAP lines, figures in
 *	  hex, and a watch over what OpenSSL frees.
 *
 * The program is what is in this directory and src/crypto*.c, and needs no server.
 * It is compiled and run by test/tap/014_crypto.pl.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char uint8; /* as in postgres.h, which the tests do without */

#include "crypto.h"

#define FILL 0xAA /* what room for output holds before */

/* Also false if OpenSSL's queue of errors is not empty. */
extern void ok(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern size_t  unhex(const char *hex, uint8 *bytes);
extern bool	   is_hex(const uint8 *bytes, size_t size, const char *hex);
extern bool	   all_are(const uint8 *bytes, size_t size, uint8 value);
extern OpBytes text(const char *string);

/* room of that very size, so that a sanitizer sees each byte beyond it; filled with FILL */
extern uint8 *room(size_t size);

/* Blocks that OpenSSL has and has not freed; watched bytes seen in a block it freed. */
extern void start_watching(void);
extern void watch(const uint8 *bytes, size_t size);
extern void forget_watched(void);
extern long live_blocks(void);
extern long left_in_freed(void);

extern void test_symmetric(bool soak);
extern void test_random(void);
extern void test_rsa(void);

#endif
