/*
 * check.c
 *	  See check.h; and main.
 */
#include "check.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#define MAX_WATCHED 16

/* Before each block of OpenSSL's; as large as the strictest alignment */
typedef union Header
{
	size_t		size;
	max_align_t alignment;
} Header;

static int tests = 0;
static int failures = 0;

static OpBytes watched[MAX_WATCHED];
static int	   watched_count = 0;
static long	   blocks = 0;
static long	   left = 0;

/* ---------- TAP ---------- */

void
ok(bool good, const char *format, ...)
{
	va_list args;

	if (ERR_peek_error() != 0)
	{
		good = false;
		printf("# OpenSSL's queue of errors holds %lx\n", ERR_get_error());
		ERR_clear_error();
	}
	printf("%s %d - ", good ? "ok" : "not ok", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!good)
		failures++;
}

/* ---------- bytes ---------- */

size_t
unhex(const char *hex, uint8 *bytes)
{
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < size; i++)
	{
		unsigned value;

		if (sscanf(hex + 2 * i, "%2x", &value) != 1)
			abort();
		bytes[i] = (uint8) value;
	}
	return size;
}

bool
is_hex(const uint8 *bytes, size_t size, const char *hex)
{
	if (strlen(hex) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++)
	{
		char digits[3];

		snprintf(digits, sizeof(digits), "%02x", bytes[i]);
		if (strncmp(hex + 2 * i, digits, 2) != 0)
			return false;
	}
	return true;
}

bool
all_are(const uint8 *bytes, size_t size, uint8 value)
{
	for (size_t i = 0; i < size; i++)
	{
		if (bytes[i] != value)
			return false;
	}
	return true;
}

OpBytes
text(const char *string)
{
	return (OpBytes){(const uint8 *) string, strlen(string)};
}

uint8 *
room(size_t size)
{
	uint8 *bytes = malloc(size);

	if (bytes == NULL && size > 0)
		abort();
	if (size > 0)
		memset(bytes, FILL, size);
	return bytes;
}

/* ---------- OpenSSL's memory ---------- */

static void *
watched_malloc(size_t size, const char *file, int line)
{
	Header *header = malloc(sizeof(Header) + size);

	(void) file;
	(void) line;
	if (header == NULL)
		return NULL;
	header->size = size;
	blocks++;
	return header + 1;
}

static void
watched_free(void *block, const char *file, int line)
{
	Header *header;

	if (block == NULL)
		return;
	header = (Header *) block - 1;
	for (int i = 0; i < watched_count; i++)
	{
		if (memmem(block, header->size, watched[i].data, watched[i].size) == NULL)
			continue;
		printf("# watched bytes %d in a block of %zu bytes freed at %s:%d\n", i, header->size, file, line);
		left++;
	}
	blocks--;
	free(header);
}

static void *
watched_realloc(void *block, size_t size, const char *file, int line)
{
	void *moved;

	if (size == 0)
	{
		watched_free(block, file, line);
		return NULL;
	}
	moved = watched_malloc(size, file, line);
	if (block != NULL && moved != NULL)
	{
		size_t before = ((Header *) block - 1)->size;

		memcpy(moved, block, before < size ? before : size);
		watched_free(block, file, line);
	}
	return moved;
}

void
start_watching(void)
{
	/* refused once OpenSSL has allocated anything */
	if (CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free) != 1)
		abort();
}

void
watch(const uint8 *bytes, size_t size)
{
	if (watched_count == MAX_WATCHED)
		abort();
	watched[watched_count++] = (OpBytes){bytes, size};
}

void
forget_watched(void)
{
	watched_count = 0;
	left = 0;
}

long
live_blocks(void)
{
	return blocks;
}

long
left_in_freed(void)
{
	return left;
}

/* ---------- main ---------- */

int
main(int count, char **arguments)
{
	bool soak = count > 1 && strcmp(arguments[1], "soak") == 0;

	start_watching();
	/* first, for it wants a process that has drawn nothing yet */
	test_random();
	test_symmetric(soak);
	test_rsa();
	printf("1..%d\n", tests);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
