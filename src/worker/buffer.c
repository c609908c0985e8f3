/*
 * buffer.c
 *	  Bytes that grow in callbacks of libcurl, up to a limit, and are wiped.
 */
#include "postgres.h"

#include "buffer.h"

void
op_buffer_release(OpBuffer *buffer)
{
	if (buffer->data != NULL)
		explicit_bzero(buffer->data, buffer->room);
	free(buffer->data);
	buffer->data = NULL;
	buffer->size = buffer->room = 0;
}

/* Not by realloc(), which would leave the old bytes where they were. */
static bool
make_room(OpBuffer *buffer, size_t size)
{
	OpBuffer larger = *buffer;

	if (size <= buffer->room - buffer->size)
		return true;
	larger.room = Max(buffer->size + size, Min(2 * buffer->room, buffer->limit));
	larger.data = malloc(larger.room);
	if (larger.data == NULL)
		return false;
	if (buffer->size > 0)
		memcpy(larger.data, buffer->data, buffer->size);
	op_buffer_release(buffer);
	*buffer = larger;
	return true;
}

OpBufferResult
op_buffer_append(OpBuffer *buffer, const char *data, size_t size)
{
	if (size > buffer->limit - buffer->size)
		return OP_BUFFER_FULL;
	if (!make_room(buffer, size))
		return OP_BUFFER_NO_MEMORY;
	if (size > 0)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	return OP_BUFFER_OK;
}
