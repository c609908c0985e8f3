/*
 * flat_xml.h
 *	  Bodies of XML as WeChat Pay v2 writes them. Knows nothing of the server.
 *
 *		<xml><name>text</name><name><![CDATA[text]]></name></xml>
 *
 * A reader of XML as it stands in its norm would look for document types, expand
 * entities and open files for a message that has none of them. Here there is
 * nothing to be expanded: elements in the one element, in them text, sections
 * CDATA, and the five characters that have names. What is not that, be it sound
 * XML, is refused: attributes, elements in elements, comments, document types,
 * processing instructions, references by number, namespaces, the same name twice.
 * A declaration may stand before it, blanks between elements.
 *
 * Bytes beyond ASCII are taken for UTF-8, which the caller checks.
 */
#ifndef OP_FLAT_XML_H
#define OP_FLAT_XML_H

#include "fields.h"

/*
 * The fields, sorted. What their values consist of is written to bytes, which has
 * room for the size of the body. False if it is none.
 */
extern bool op_flat_xml_read(OpBytes body, uint8 *bytes, OpFields *fields);

#endif
