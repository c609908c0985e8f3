/*
 * curl_memory.c
 *	  libcurl, started with memory that is wiped when it is freed.
 *
 * A request carries keys, and sometimes the number of a card. libcurl copies it
 * into buffers of its own, and frees them as they are; so it gets functions
 * that know the size of a block and overwrite it first.
 *
 * libcurl can be started once in a process. If another extension was first, its
 * memory functions stay: then only what we hold ourselves is wiped. Each worker
 * is a process of its own, where nobody is before us.
 *
 * libcurl calls these in threads that resolve names too: no function of the
 * server is called here, but explicit_bzero().
 */
#include "postgres.h"

#include <curl/curl.h>

#include "curl_memory.h"

/* In front of each block stands its size; this keeps the alignment that malloc() gives. */
#define SIZE_ROOM 16

StaticAssertDecl(SIZE_ROOM >= sizeof(size_t), "the size has room in front of a block");

static size_t *
size_of(void *block)
{
	return (size_t *) ((char *) block - SIZE_ROOM);
}

static void *
allocate(size_t size)
{
	char *start;

	if (size > SIZE_MAX - SIZE_ROOM)
		return NULL;
	start = malloc(SIZE_ROOM + size);
	if (start == NULL)
		return NULL;
	*size_of(start + SIZE_ROOM) = size;
	return start + SIZE_ROOM;
}

static void
wipe_and_free(void *block)
{
	if (block == NULL)
		return;
	explicit_bzero(block, *size_of(block));
	free((char *) block - SIZE_ROOM);
}

/* Never in place: where realloc() moves a block, it leaves the old bytes behind. */
static void *
reallocate(void *block, size_t size)
{
	void *result = allocate(size);

	if (result != NULL && block != NULL)
	{
		memcpy(result, block, Min(size, *size_of(block)));
		wipe_and_free(block);
	}
	return result;
}

static void *
allocate_zeroed(size_t n, size_t size)
{
	void *result;

	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	result = allocate(n * size);
	if (result != NULL)
		memset(result, 0, n * size);
	return result;
}

static char *
duplicate(const char *string)
{
	size_t size = strlen(string) + 1;
	char  *result = allocate(size);

	if (result != NULL)
		memcpy(result, string, size);
	return result;
}

bool
op_curl_start(void)
{
	static bool started = false;

	if (!started)
		started = curl_global_init_mem(CURL_GLOBAL_DEFAULT, allocate, wipe_and_free, reallocate,
									   duplicate, allocate_zeroed) == CURLE_OK;
	return started;
}
