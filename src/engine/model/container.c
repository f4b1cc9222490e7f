/*
 * A model's bytes as a whole, and their text form; container.h describes both.
 */
#include "model/container.h"

#include <string.h>

#include "base/hash.h"
#include "learn/learner.h"
#include "base/document_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "models are read in place, in little-endian order");

#define MAGIC "MLAASMDL"

typedef struct Header
{
	char		magic[8];
	uint32_t	version;
	uint32_t	algorithm;
	uint64_t	size;
	uint64_t	checksum;
	uint32_t	nsections;
	uint32_t	zero;
} Header;

typedef struct SectionEntry
{
	uint32_t	id;
	uint32_t	zero;
	uint64_t	offset;
	uint64_t	size;
} SectionEntry;

_Static_assert(sizeof(Header) == 40, "stored layout");
_Static_assert(sizeof(SectionEntry) == 24, "stored layout");

/* The whole of what comes before the sections. */
typedef struct Front
{
	Header		header;
	SectionEntry sections[ML_SECTION_LAST];
} Front;

/* The member of the text form that holds each section. */
static const char *const section_names[] =
{
	[ML_SECTION_SIGNATURE] = "signature",
	[ML_SECTION_PREPARATION] = "preparation",
	[ML_SECTION_PARAMETERS] = "parameters",
	[ML_SECTION_SUMMARY] = "summary",
	[ML_SECTION_PAYLOAD] = "payload",
};

_Static_assert(sizeof section_names / sizeof section_names[0] == ML_SECTION_LAST + 1, "every section has a name");

/* The checksum of a model's bytes, whatever stands in its place. */
static uint64_t
container_checksum(const void *bytes, size_t size)
{
	Header		header;

	memcpy(&header, bytes, sizeof header);
	header.checksum = 0;
	return ml_hash_bytes((const char *) bytes + sizeof header, size - sizeof header,
						 ml_hash_bytes(&header, sizeof header, 0));
}

MlSectionBytes
ml_section_finish(MlWriter *w)
{
	MlSectionBytes section;

	section.bytes = ml_writer_finish(w, &section.size);
	return section;
}

/* Join sections into a model's bytes. */
void *
ml_container_build(MlContext *ctx, uint32_t algorithm, const MlSectionBytes *sections, size_t *size)
{
	size_t		total = sizeof(Front);
	char	   *bytes;
	Front	   *front;

	for (int id = 1; id <= ML_SECTION_LAST; id++)
	{
		if (__builtin_add_overflow(total, sections[id].size, &total))
			ml_raise(ctx, ML_ERROR_MEMORY, "a model is too large");
		if (sections[id].size % 8 != 0)
			ml_raise(ctx, ML_ERROR_INTERNAL, "a section of %zu bytes is no document", sections[id].size);
	}
	bytes = ml_alloc(ctx, total);
	memset(bytes, 0, sizeof(Front));
	front = (Front *) bytes;
	memcpy(front->header.magic, MAGIC, sizeof front->header.magic);
	front->header.version = ML_FORMAT_VERSION;
	front->header.algorithm = algorithm;
	front->header.size = total;
	front->header.nsections = ML_SECTION_LAST;
	total = sizeof(Front);
	for (int id = 1; id <= ML_SECTION_LAST; id++)
	{
		front->sections[id - 1] = (SectionEntry) {(uint32_t) id, 0, total, sections[id].size};
		memcpy(bytes + total, sections[id].bytes, sections[id].size);
		total += sections[id].size;
	}
	front->header.checksum = container_checksum(bytes, total);
	*size = total;
	return bytes;
}

/* Check the header. */
static const char *
check_header(const Header *header, size_t size)
{
	if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
		return "the bytes do not begin like a model";
	if (header->version == 0)
		return "the format version is zero";
	if (header->version > ML_FORMAT_VERSION)
		return "the format version is newer than this version of mlaas reads";
	if (header->size != size)
		return "the size is not what the header says";
	if (header->checksum != container_checksum(header, size))
		return "the checksum is wrong";
	if (header->nsections != ML_SECTION_LAST)
		return "the number of sections is wrong";
	if (header->zero != 0)
		return "bytes that pad the header are not zero";
	if (header->algorithm == 0)
		return "the algorithm is zero";
	return NULL;
}

/* Check bytes from outside whole: header, checksum, table, every section's document. */
const char *
ml_container_check(const void *bytes, size_t size)
{
	const Front *front = bytes;
	size_t		at = sizeof(Front);
	const char *reason;

	if ((uintptr_t) bytes % 8 != 0)
		return "bytes are not aligned";
	if (size < sizeof(Front))
		return "the bytes are shorter than a header";
	reason = check_header(&front->header, size);
	if (reason != NULL)
		return reason;
	for (uint32_t id = 1; id <= ML_SECTION_LAST; id++)
	{
		const SectionEntry *entry = &front->sections[id - 1];

		if (entry->id != id || entry->zero != 0)
			return "the table of sections is wrong";
		if (entry->offset != at || entry->size > size - at)
			return "a section is not where the one before it ends";
		reason = ml_document_check((const char *) bytes + at, entry->size);
		if (reason != NULL)
			return reason;
		at += entry->size;
	}
	return at == size ? NULL : "bytes follow the last section";
}

/* The algorithm's number. */
uint32_t
ml_container_algorithm(const void *bytes)
{
	return ((const Header *) bytes)->algorithm;
}

/* The stored checksum. */
uint64_t
ml_container_checksum(const void *bytes)
{
	return ((const Header *) bytes)->checksum;
}

/* The root of a section. */
const MlNode *
ml_container_section(const void *bytes, MlSection section)
{
	return ml_document_root((const char *) bytes + ((const Front *) bytes)->sections[section - 1].offset);
}

/* The text form of checked bytes. */
char *
ml_container_to_json(MlContext *ctx, const void *bytes)
{
	const Header *header = bytes;
	const MlAlgorithm *algorithm = ml_algorithm_by_id(header->algorithm);
	MlText		text;
	char	   *version;

	if (algorithm == NULL)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "model is of an algorithm that this version of mlaas does not know",
					  ml_format(ctx, "The algorithm's number is %u.", header->algorithm), NULL);
	ml_text_init(&text, ctx);
	version = ml_format(ctx, "{\"mlaas_model\": %u, \"algorithm\": ", header->version);
	ml_text_append(&text, version);
	ml_text_append_string(&text, algorithm->name, strlen(algorithm->name));
	for (int id = 1; id <= ML_SECTION_LAST; id++)
	{
		ml_text_append(&text, ", \"");
		ml_text_append(&text, section_names[id]);
		ml_text_append(&text, "\": ");
		ml_text_append_node(&text, ml_container_section(bytes, (MlSection) id), false);
	}
	ml_text_append(&text, "}");
	return ml_text_finish(&text);
}

/* Raise about the outermost object of a text form. */
static void __attribute__((noreturn))
raise_text(MlContext *ctx, const char *detail)
{
	ml_raise_full(ctx, ML_ERROR_CORRUPTED, "invalid JSON of a model", detail,
				  "The JSON of a model is what its text form gives.");
}

/* The member of the outermost object with that key and type. */
static const MlNode *
text_member(MlContext *ctx, const MlNode *root, const char *key, MlNodeType type)
{
	const MlNode *node = ml_node_find(root, key);

	if (node == NULL)
		raise_text(ctx, ml_format(ctx, "Member \"%s\" is missing.", key));
	if (ml_node_type(node) != type)
		raise_text(ctx, ml_format(ctx, "Member \"%s\" is of type %s instead of %s.", key,
								  ml_node_type_name(ml_node_type(node)), ml_node_type_name(type)));
	return node;
}

/* The bytes of a model's text form. */
void *
ml_container_from_json(MlContext *ctx, const char *json, size_t length, size_t *size)
{
	size_t		document_size;
	void	   *document = ml_document_parse(ctx, json, length, ML_DOCUMENT_DEPTH_MAX, &document_size);
	const MlNode *root = ml_document_root(document);
	int64_t		version = ml_node_int(text_member(ctx, root, "mlaas_model", ML_NODE_INT));
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {{NULL, 0}};
	const MlAlgorithm *algorithm;
	void	   *bytes;

	if (version > ML_FORMAT_VERSION)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "model is of a format that this version of mlaas does not read",
					  ml_format(ctx, "The format is %lld, the newest known is %d.", (long long) version,
								ML_FORMAT_VERSION), NULL);
	if (version < 1)
		raise_text(ctx, "Member \"mlaas_model\" is not a format version.");
	algorithm = ml_algorithm_of_model(ctx, ml_node_string(text_member(ctx, root, "algorithm", ML_NODE_STRING)));

	/* a node that is an object is a document wherever it stands */
	for (int id = 1; id <= ML_SECTION_LAST; id++)
	{
		const MlNode *node = text_member(ctx, root, section_names[id], ML_NODE_OBJECT);

		sections[id] = (MlSectionBytes) {node, ml_node_size(node)};
	}
	/* all that are known are there: one more is unknown */
	if (ml_node_count(root) != ML_SECTION_LAST + 2)
		raise_text(ctx, "There are members besides \"mlaas_model\", \"algorithm\", \"signature\", "
				   "\"preparation\", \"parameters\", \"summary\" and \"payload\".");
	bytes = ml_container_build(ctx, algorithm->id, sections, size);
	ml_free(ctx, document);
	return bytes;
}
