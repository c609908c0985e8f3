/*
 * curl_memory.h
 *	  libcurl, started with memory that is wiped when it is freed.
 */
#ifndef OP_CURL_MEMORY_H
#define OP_CURL_MEMORY_H

/* Starts libcurl in this process; again is nothing. False: it cannot be started. */
extern bool op_curl_start(void);

#endif
