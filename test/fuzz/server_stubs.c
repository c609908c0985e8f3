/*
 * server_stubs.c
 *		A piece of the server for code that raises errors and allocates.
 *
 * Memory is the C library's, one block a call, so that AddressSanitizer knows
 * the size of each. An error goes back to fuzz_try(). Texts are in UTF-8, as in
 * most databases, but need not be valid: the server checks what comes in, and
 * this does not.
 *
 * Functions that ask the catalogs are here for the linker only, and end the
 * program: no target comes to them.
 */
#include "postgres.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/memutils.h"

#include "server_stubs.h"

/* the server's own are in the server */
#undef fprintf
#undef vsnprintf
#undef qsort

typedef struct Block
{
	struct Block *next;
	void		 *memory;
} Block;

FuzzError fuzz_error;

static Block	 *blocks;
static sigjmp_buf back;

/* ---------- memory ---------- */

static void *
remember(void *memory)
{
	Block *block = malloc(sizeof(Block));

	if (memory == NULL || block == NULL)
		abort();
	block->memory = memory;
	block->next = blocks;
	blocks = block;
	return memory;
}

void
fuzz_free(void)
{
	while (blocks != NULL)
	{
		Block *block = blocks;

		blocks = block->next;
		free(block->memory);
		free(block);
	}
}

void *
palloc(Size size)
{
	if (size > MaxAllocSize)
		abort();
	return remember(malloc(size));
}

void *
palloc0(Size size)
{
	if (size > MaxAllocSize)
		abort();
	return remember(calloc(1, size));
}

/* leaves the old block for fuzz_free(): a pointer into it is a fault all the same */
void *
repalloc(void *pointer, Size size)
{
	for (Block *block = blocks; block != NULL; block = block->next)
	{
		if (block->memory == pointer)
		{
			block->memory = realloc(pointer, size);
			if (block->memory == NULL)
				abort();
			return block->memory;
		}
	}
	abort();
}

void
pfree(void *pointer)
{
	for (Block *block = blocks; block != NULL; block = block->next)
	{
		if (block->memory == pointer)
		{
			block->memory = NULL;
			free(pointer);
			return;
		}
	}
	abort();
}

char *
pstrdup(const char *text)
{
	return strcpy(palloc(strlen(text) + 1), text);
}

char *
psprintf(const char *format, ...)
{
	char   *result;
	va_list args;

	va_start(args, format);
	if (vasprintf(&result, format, args) < 0)
		abort();
	va_end(args);
	return remember(result);
}

/* ---------- growing strings ---------- */

void
initStringInfo(StringInfo str)
{
	str->maxlen = 16; /* little, so that it grows */
	str->data = palloc(str->maxlen);
	resetStringInfo(str);
}

void
resetStringInfo(StringInfo str)
{
	str->data[0] = '\0';
	str->len = 0;
	str->cursor = 0;
}

void
enlargeStringInfo(StringInfo str, int needed)
{
	if (str->len + needed + 1 > str->maxlen)
	{
		str->maxlen = str->len + needed + 1;
		str->data = repalloc(str->data, str->maxlen);
	}
}

static void
append(StringInfo str, const void *data, int size)
{
	enlargeStringInfo(str, size);
	memcpy(str->data + str->len, data, size);
	str->len += size;
	str->data[str->len] = '\0';
}

void
appendStringInfoString(StringInfo str, const char *text)
{
	append(str, text, (int) strlen(text));
}

void
appendStringInfoChar(StringInfo str, char c)
{
	append(str, &c, 1);
}

void
appendStringInfo(StringInfo str, const char *format, ...)
{
	char   *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	appendStringInfoString(str, text);
	free(text);
}

/* ---------- errors ---------- */

bool
fuzz_try(void (*call)(void *), void *argument)
{
	memset(&fuzz_error, 0, sizeof(fuzz_error));
	if (sigsetjmp(back, 0) != 0)
		return false;
	call(argument);
	return true;
}

bool
errstart(int level, const char *domain)
{
	return level >= ERROR;
}

bool
errstart_cold(int level, const char *domain)
{
	return errstart(level, domain);
}

void
errfinish(const char *file, int line, const char *function)
{
	siglongjmp(back, 1);
}

int
errcode(int code)
{
	fuzz_error.code = code;
	return 0;
}

#define ERROR_FIELD(name, field) \
	int name(const char *format, ...) \
	{ \
		va_list args; \
\
		va_start(args, format); \
		vsnprintf(fuzz_error.field, FUZZ_TEXT, format, args); \
		va_end(args); \
		return 0; \
	}

ERROR_FIELD(errmsg, message)
ERROR_FIELD(errmsg_internal, message)
ERROR_FIELD(errdetail, detail)
ERROR_FIELD(errdetail_internal, detail)
ERROR_FIELD(errhint, hint)

/* ---------- texts ---------- */

bool
scanner_isspace(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* bytes of the character that begins so, in UTF-8 */
static int
character_size(char c)
{
	unsigned char first = (unsigned char) c;

	return first < 0xC0 ? 1 : (first < 0xE0 ? 2 : (first < 0xF0 ? 3 : 4));
}

int
pg_mbstrlen_with_len(const char *text, int limit)
{
	int n = 0;

	for (; limit > 0 && *text != '\0'; n++)
	{
		int size = Min(character_size(*text), limit);

		text += size;
		limit -= size;
	}
	return n;
}

int
pg_mbcliplen(const char *text, int size, int limit)
{
	int clipped = 0;

	while (clipped < size && text[clipped] != '\0' && clipped + character_size(text[clipped]) <= limit)
		clipped += character_size(text[clipped]);
	return Min(clipped, size);
}

/* newer C libraries have it */
__attribute__((weak)) size_t
strlcpy(char *to, const char *from, size_t size)
{
	size_t length = strlen(from);

	if (size > 0)
	{
		memcpy(to, from, Min(length, size - 1));
		to[Min(length, size - 1)] = '\0';
	}
	return length;
}

void
pg_qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	qsort(base, n, size, compare);
}

/* for messages; the header that declares it declares what is not here as well */
extern char *format_type_be(Oid type);

char *
format_type_be(Oid type)
{
	return psprintf("type_%u", type);
}

/* ---------- what no target comes to ---------- */

#define NOT_HERE(name) \
	void name(void); \
	void name(void) \
	{ \
		fprintf(stderr, "%s() was called: it is not in server_stubs.c\n", #name); \
		abort(); \
	}

NOT_HERE(GetSysCacheOid)
NOT_HERE(ReleaseCatCacheList)
NOT_HERE(SearchSysCacheList)
NOT_HERE(getBaseType)
NOT_HERE(getTypeInputInfo)
NOT_HERE(get_typisdefined)
NOT_HERE(get_typtype)
NOT_HERE(hash_bytes_uint32)
NOT_HERE(hash_bytes_uint32_extended)
NOT_HERE(pq_begintypsend)
NOT_HERE(pq_endtypsend)
NOT_HERE(pq_getmsgtext)
NOT_HERE(pq_sendtext)
NOT_HERE(text_to_cstring)

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	abort();
}

void
fmgr_info(Oid function, FmgrInfo *info)
{
	abort();
}
