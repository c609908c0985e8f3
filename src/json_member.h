/*
 * json_member.h
 *	  The members of a JSON object (RFC 8259), as they stand in a text. Knows
 *	  nothing of the server.
 *
 * A signature over a part of a document is over the bytes of that part: what a
 * reader of JSON has read and written again has other blanks, escapes and
 * numbers. So where each value begins and ends is told here, and nothing is
 * decoded.
 *
 * PostgreSQL's own parser (common/jsonapi.h) is not for this: it raises for what
 * nests deep, and for escapes that the encoding of the database lacks, before
 * anybody knows who has sent it.
 *
 * Bytes beyond ASCII are taken for UTF-8, which the caller checks.
 */
#ifndef OP_JSON_MEMBER_H
#define OP_JSON_MEMBER_H

#include "fields.h"

/*
 * The members of the object that the text is: names without their quotation
 * marks, values from first to last byte; sorted. False if it is no object, is
 * nested deeper than 64, or if a name of its own is empty, has an escape in it,
 * or is there twice: for then readers do not agree on what it says.
 */
extern bool op_json_members(OpBytes text, OpFields *members);

/* Is it JSON, of any kind, and nested no deeper? */
extern bool op_json_is_valid(OpBytes text);

#endif
