/*
 * buffer.h
 *	  Bytes that grow in callbacks of libcurl, up to a limit, and are wiped.
 */
#ifndef OP_BUFFER_H
#define OP_BUFFER_H

/* Of malloc(): it raises nothing. All zeros but for the limit is an empty one. */
typedef struct OpBuffer
{
	char  *data;
	size_t size;
	size_t room;
	size_t limit;
} OpBuffer;

typedef enum OpBufferResult
{
	OP_BUFFER_OK,
	OP_BUFFER_FULL,
	OP_BUFFER_NO_MEMORY
} OpBufferResult;

/* All of it or nothing */
extern OpBufferResult op_buffer_append(OpBuffer *buffer, const char *data, size_t size);

extern void op_buffer_release(OpBuffer *buffer);

#endif
