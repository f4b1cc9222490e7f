/*
 * The bytes of a document: writing, checking, reading.  JSON is in document_json.c.
 *
 * A node is, at a multiple of 8 bytes:
 *
 *   offset  0  uint32  type (MlNodeType)
 *           4  uint32  zero
 *           8  uint64  NULL: zero; BOOL: 0 or 1; INT, DOUBLE: the value; else the count of
 *                      bytes, elements or members
 *          16          STRING: the bytes and a NUL; typed arrays: the elements
 *          16  uint64  OBJECT, LIST: size of the whole node in bytes
 *          24          the members one after the other, then the table of members, which ends the
 *                      node: for a list the offset of each element; for an object (offset of
 *                      the key, offset of the value, and as the i-th third word which member is
 *                      the i-th in the order of strcmp), all uint64
 *
 * A member of an object is its key with a NUL, then its value.  Offsets count from the start of the
 * object or list, so a node can be moved and copied as it is.  The sorted third words make finding a
 * key fast and let a check without memory of its own prove that keys are unique.
 *
 * Everything that is not a multiple of 8 bytes long is followed by zeros; members lie without gaps,
 * in the order of the table; a NaN is always the same one.  So what a document says has exactly one
 * form in bytes, and a check visits every byte once.
 */
#include "base/document.h"
#include "base/document_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
			   "arrays of a model are read in place, in little-endian order");

struct MlNode
{
	uint32_t	type;
	uint32_t	zero;
	uint64_t	count;
};

typedef struct Container
{
	MlNode		node;
	uint64_t	size;
} Container;

typedef struct Member
{
	uint64_t	key;
	uint64_t	node;
	uint64_t	sorted;			/* the index of the member whose key comes i-th */
} Member;

_Static_assert(sizeof(MlNode) == 16, "stored layout");
_Static_assert(sizeof(Container) == 24, "stored layout");
_Static_assert(sizeof(Member) == 24, "stored layout");

/* What is known of each type; the index is stored. */
static const struct
{
	const char *name;
	size_t		element_size;	/* 0: no typed array */
}			node_types[] =
{
	[ML_NODE_INVALID] = {"invalid", 0},
	[ML_NODE_NULL] = {"null", 0},
	[ML_NODE_BOOL] = {"boolean", 0},
	[ML_NODE_INT] = {"integer", 0},
	[ML_NODE_DOUBLE] = {"double", 0},
	[ML_NODE_STRING] = {"string", 0},
	[ML_NODE_OBJECT] = {"object", 0},
	[ML_NODE_LIST] = {"list", 0},
	[ML_NODE_F64S] = {"array of doubles", 8},
	[ML_NODE_F32S] = {"array of floats", 4},
	[ML_NODE_I64S] = {"array of 64-bit integers", 8},
	[ML_NODE_I32S] = {"array of 32-bit integers", 4},
	[ML_NODE_BYTES] = {"array of bytes", 1},
};

#define NODE_TYPES (sizeof node_types / sizeof node_types[0])

_Static_assert(NODE_TYPES == ML_NODE_BYTES + 1, "one row for each type");

/* The next multiple of 8; the caller knows that it does not overflow. */
static inline size_t
pad8(size_t size)
{
	return (size + 7) & ~(size_t) 7;
}

/* "list", "array of doubles", ... */
const char *
ml_node_type_name(MlNodeType type)
{
	return (unsigned) type < NODE_TYPES ? node_types[type].name : "unknown";
}

/* Bytes of one element of a typed array, 0 for all other types. */
size_t
ml_element_size(MlNodeType type)
{
	return (unsigned) type < NODE_TYPES ? node_types[type].element_size : 0;
}

/* ---------------------------------------------------------------- writing */

/* An object or list that is not yet closed. */
typedef struct Frame
{
	MlNodeType	type;
	size_t		start;			/* of the node in the data */
	size_t		first;			/* its first member among the open ones */
} Frame;

typedef struct OpenMember
{
	uint64_t	key;			/* offsets from the start of the container */
	uint64_t	node;
} OpenMember;

struct MlWriter
{
	MlContext  *ctx;
	char	   *data;
	size_t		size;
	size_t		capacity;
	OpenMember *members;		/* of all open containers, innermost last */
	size_t		nmembers;
	size_t		members_capacity;
	size_t		max_depth;
	size_t		depth;
	Frame		frames[ML_DOCUMENT_DEPTH_MAX];
};

/* A key with its place, for sorting. */
typedef struct KeyPlace
{
	const char *key;
	uint64_t	index;
} KeyPlace;

/* Room for size more bytes at the end, which is a multiple of 8; what is added up to the next multiple is zero. */
static char *
writer_reserve(MlWriter *w, size_t size)
{
	size_t		padded;
	size_t		needed;
	char	   *place;

	if (size > SIZE_MAX / 4 || __builtin_add_overflow(w->size, pad8(size), &needed) || needed > SIZE_MAX / 4)
		ml_raise(w->ctx, ML_ERROR_MEMORY, "a model of more than %zu bytes is too large", SIZE_MAX / 4);
	padded = pad8(size);
	if (needed > w->capacity)
	{
		size_t		capacity = w->capacity == 0 ? 512 : w->capacity * 2;

		if (capacity < needed)
			capacity = needed;
		w->data = ml_realloc(w->ctx, w->data, capacity);
		w->capacity = capacity;
	}
	place = w->data + w->size;
	memset(place + size, 0, padded - size);
	w->size = needed;
	return place;
}

/* Enter a member into the innermost container and write its key. */
static void
writer_member(MlWriter *w, const char *key)
{
	Frame	   *frame;
	OpenMember *member;
	size_t		key_at = w->size;

	if (w->depth == 0)
		return;					/* the root has no container */
	frame = &w->frames[w->depth - 1];
	if ((key != NULL) != (frame->type == ML_NODE_OBJECT))
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "a member of an object needs a key, an element of a list has none");
	if (key != NULL)
	{
		size_t		length = strlen(key) + 1;

		memcpy(writer_reserve(w, length), key, length);
	}
	if (w->nmembers == w->members_capacity)
	{
		size_t		capacity = w->members_capacity == 0 ? 64 : w->members_capacity * 2;

		w->members = ml_realloc(w->ctx, w->members, capacity * sizeof(OpenMember));
		w->members_capacity = capacity;
	}
	member = &w->members[w->nmembers++];
	member->key = key_at - frame->start;
	member->node = w->size - frame->start;
}

/* Begin a node: its header, and room for size bytes of content, which are returned. */
static char *
writer_node(MlWriter *w, const char *key, MlNodeType type, uint64_t count, size_t size)
{
	MlNode		node = {type, 0, count};
	char	   *place;

	writer_member(w, key);
	if (size > SIZE_MAX / 8)
		ml_raise(w->ctx, ML_ERROR_MEMORY, "an array of %zu bytes is too large for a model", size);
	place = writer_reserve(w, sizeof node + size);
	memcpy(place, &node, sizeof node);
	return place + sizeof node;
}

/* Begin an object or list. */
static void
writer_container(MlWriter *w, const char *key, MlNodeType type)
{
	Frame	   *frame;
	uint64_t	size = 0;		/* known at the end */

	if (w->depth == w->max_depth)
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "a model's objects and lists are nested more than %zu deep", w->max_depth);
	memcpy(writer_node(w, key, type, 0, sizeof size), &size, sizeof size);
	frame = &w->frames[w->depth++];
	frame->type = type;
	frame->start = w->size - sizeof(Container);
	frame->first = w->nmembers;
}

/* ml_writer_create with another limit of depth. */
MlWriter *
ml_writer_create_depth(MlContext *ctx, size_t max_depth)
{
	MlWriter   *w = ml_alloc_zero(ctx, sizeof *w);

	w->ctx = ctx;
	w->max_depth = max_depth;
	writer_container(w, NULL, ML_NODE_OBJECT);
	return w;
}

/* Start a document whose root is an object. */
MlWriter *
ml_writer_create(MlContext *ctx)
{
	return ml_writer_create_depth(ctx, ML_DOCUMENT_DEPTH);
}

/* Open an object. */
void
ml_write_object(MlWriter *w, const char *key)
{
	writer_container(w, key, ML_NODE_OBJECT);
}

/* Open a list. */
void
ml_write_list(MlWriter *w, const char *key)
{
	writer_container(w, key, ML_NODE_LIST);
}

/* The order of keys. */
static int
compare_keys(const void *a, const void *b)
{
	return strcmp(((const KeyPlace *) a)->key, ((const KeyPlace *) b)->key);
}

/* Write the table that ends an object. */
static void
writer_object_table(MlWriter *w, const Frame *frame, size_t count)
{
	const OpenMember *open = w->members + frame->first;
	Member	   *table;
	KeyPlace   *keys;

	table = (Member *) writer_reserve(w, count * sizeof(Member));
	keys = ml_alloc_array(w->ctx, count, sizeof(KeyPlace));
	for (size_t i = 0; i < count; i++)
		keys[i] = (KeyPlace) {w->data + frame->start + open[i].key, i};
	qsort(keys, count, sizeof(KeyPlace), compare_keys);
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0 && strcmp(keys[i - 1].key, keys[i].key) == 0)
			ml_raise(w->ctx, ML_ERROR_INTERNAL, "an object of a model has the key \"%s\" twice", keys[i].key);
		table[i] = (Member) {open[i].key, open[i].node, keys[i].index};
	}
	ml_free(w->ctx, keys);
}

/* Write the table that ends a list. */
static void
writer_list_table(MlWriter *w, const Frame *frame, size_t count)
{
	uint64_t   *table = (uint64_t *) writer_reserve(w, count * sizeof(uint64_t));

	for (size_t i = 0; i < count; i++)
		table[i] = w->members[frame->first + i].node;
}

/* Close the innermost container, the root included. */
static void
writer_close(MlWriter *w)
{
	Frame	   *frame = &w->frames[w->depth - 1];
	size_t		count = w->nmembers - frame->first;
	Container  *container;

	if (count > 0 && frame->type == ML_NODE_OBJECT)
		writer_object_table(w, frame, count);
	else if (count > 0)
		writer_list_table(w, frame, count);
	container = (Container *) (w->data + frame->start);
	container->node.count = count;
	container->size = w->size - frame->start;
	w->nmembers = frame->first;
	w->depth--;
}

/* Close the innermost object or list. */
void
ml_write_end(MlWriter *w)
{
	if (w->depth <= 1)
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "no object or list of a model is open");
	writer_close(w);
}

/* A null. */
void
ml_write_null(MlWriter *w, const char *key)
{
	writer_node(w, key, ML_NODE_NULL, 0, 0);
}

/* A boolean. */
void
ml_write_bool(MlWriter *w, const char *key, bool value)
{
	writer_node(w, key, ML_NODE_BOOL, value, 0);
}

/* An integer. */
void
ml_write_int(MlWriter *w, const char *key, int64_t value)
{
	writer_node(w, key, ML_NODE_INT, (uint64_t) value, 0);
}

/* A double; a NaN becomes the one NaN of documents. */
void
ml_write_double(MlWriter *w, const char *key, double value)
{
	uint64_t	bits = ML_CANONICAL_NAN;

	if (value == value)
		memcpy(&bits, &value, sizeof bits);
	writer_node(w, key, ML_NODE_DOUBLE, bits, 0);
}

/* A string that ends at its NUL. */
void
ml_write_string(MlWriter *w, const char *key, const char *value)
{
	ml_write_string_length(w, key, value, strlen(value));
}

/* A string of a known length without NUL. */
void
ml_write_string_length(MlWriter *w, const char *key, const char *value, size_t length)
{
	char	   *place;

	if (length > SIZE_MAX / 8)
		ml_raise(w->ctx, ML_ERROR_MEMORY, "a string of %zu bytes is too large for a model", length);
	if (length > 0 && memchr(value, '\0', length) != NULL)
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "a string of a model contains a NUL byte");
	place = writer_node(w, key, ML_NODE_STRING, length, length + 1);
	if (length > 0)
		memcpy(place, value, length);
	place[length] = '\0';
}

/* A typed array; returns its elements. */
static void *
writer_array(MlWriter *w, const char *key, MlNodeType type, const void *values, size_t count)
{
	size_t		size;
	char	   *place;

	if (__builtin_mul_overflow(count, node_types[type].element_size, &size))
		ml_raise(w->ctx, ML_ERROR_MEMORY, "an array of %zu elements is too large for a model", count);
	place = writer_node(w, key, type, count, size);
	if (size > 0)
		memcpy(place, values, size);
	return place;
}

/* An array of doubles; NaNs become the one NaN of documents. */
void
ml_write_f64s(MlWriter *w, const char *key, const double *values, size_t count)
{
	uint64_t   *bits = writer_array(w, key, ML_NODE_F64S, values, count);

	for (size_t i = 0; i < count; i++)
		bits[i] = (bits[i] & INT64_MAX) > UINT64_C(0x7ff0000000000000) ? ML_CANONICAL_NAN : bits[i];
}

/* An array of floats; NaNs become the one NaN of documents. */
void
ml_write_f32s(MlWriter *w, const char *key, const float *values, size_t count)
{
	uint32_t   *bits = writer_array(w, key, ML_NODE_F32S, values, count);

	for (size_t i = 0; i < count; i++)
		bits[i] = (bits[i] & INT32_MAX) > UINT32_C(0x7f800000) ? ML_CANONICAL_NANF : bits[i];
}

/* An array of 64-bit integers. */
void
ml_write_i64s(MlWriter *w, const char *key, const int64_t *values, size_t count)
{
	writer_array(w, key, ML_NODE_I64S, values, count);
}

/* An array of 32-bit integers. */
void
ml_write_i32s(MlWriter *w, const char *key, const int32_t *values, size_t count)
{
	writer_array(w, key, ML_NODE_I32S, values, count);
}

/* An array of bytes. */
void
ml_write_bytes(MlWriter *w, const char *key, const void *bytes, size_t count)
{
	writer_array(w, key, ML_NODE_BYTES, bytes, count);
}

/* How deep a node's containers nest, itself included: 0 for a scalar. */
static size_t
node_depth(const MlNode *node)
{
	size_t		deepest = 0;

	if (node->type != ML_NODE_OBJECT && node->type != ML_NODE_LIST)
		return 0;
	for (size_t i = 0; i < node->count; i++)
	{
		size_t		depth = node_depth(ml_node_at(node, i));

		if (depth > deepest)
			deepest = depth;
	}
	return deepest + 1;
}

/* A copy of a whole node. */
void
ml_write_node(MlWriter *w, const char *key, const MlNode *node)
{
	size_t		size = ml_node_size(node);

	if (node_depth(node) > w->max_depth - w->depth)
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "a model's objects and lists are nested more than %zu deep", w->max_depth);
	writer_member(w, key);
	memcpy(writer_reserve(w, size), node, size);
}

/* Close the root; the bytes live in the context. */
void *
ml_writer_finish(MlWriter *w, size_t *size)
{
	void	   *bytes;

	if (w->depth != 1)
		ml_raise(w->ctx, ML_ERROR_INTERNAL, "an object or list of a model is still open");
	writer_close(w);
	bytes = w->data;
	*size = w->size;
	ml_free(w->ctx, w->members);
	ml_free(w->ctx, w);
	return bytes;
}

/* ---------------------------------------------------------------- checking */

static const char *check_node(const char *bytes, size_t limit, size_t depth, size_t *size);

/* Are the bytes from .. to - 1 zero? */
static bool
is_zero(const char *bytes, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
	{
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* Is every NaN of these doubles the one NaN of documents? */
static bool
canonical_f64s(const uint64_t *bits, size_t count)
{
	bool		wrong = false;

	for (size_t i = 0; i < count; i++)
		wrong |= (bits[i] & INT64_MAX) > UINT64_C(0x7ff0000000000000) && bits[i] != ML_CANONICAL_NAN;
	return !wrong;
}

/* The same for floats. */
static bool
canonical_f32s(const uint32_t *bits, size_t count)
{
	bool		wrong = false;

	for (size_t i = 0; i < count; i++)
		wrong |= (bits[i] & INT32_MAX) > UINT32_C(0x7f800000) && bits[i] != ML_CANONICAL_NANF;
	return !wrong;
}

/* Check a typed array of which limit bytes are there; stores its size. */
static const char *
check_array(const char *bytes, size_t limit, size_t *size)
{
	const MlNode *node = (const MlNode *) bytes;
	const char *values = bytes + sizeof(MlNode);
	size_t		element = node_types[node->type].element_size;
	size_t		end;

	if (node->count > (limit - sizeof(MlNode)) / element)
		return "an array is longer than the bytes";
	end = sizeof(MlNode) + node->count * element;
	*size = pad8(end);			/* limit is a multiple of 8 */
	if (!is_zero(bytes, end, *size))
		return "bytes that pad an array are not zero";
	if (node->type == ML_NODE_F64S && !canonical_f64s((const uint64_t *) values, node->count))
		return "a NaN is not the canonical one";
	if (node->type == ML_NODE_F32S && !canonical_f32s((const uint32_t *) values, node->count))
		return "a NaN is not the canonical one";
	return NULL;
}

/* Check a string of which limit bytes are there; stores its size. */
static const char *
check_string(const char *bytes, size_t limit, size_t *size)
{
	const MlNode *node = (const MlNode *) bytes;
	size_t		end;

	if (node->count >= limit - sizeof(MlNode))
		return "a string is longer than the bytes";
	end = sizeof(MlNode) + node->count;
	*size = pad8(end + 1);
	if (memchr(bytes + sizeof(MlNode), '\0', node->count) != NULL)
		return "a string contains a NUL";
	if (!is_zero(bytes, end, *size))
		return "a string does not end in zeros";
	return NULL;
}

/* Check a key that begins at *at and must end before limit; moves *at behind it. */
static const char *
check_key(const char *bytes, size_t limit, size_t *at)
{
	const char *end = memchr(bytes + *at, '\0', limit - *at);
	size_t		next;

	if (end == NULL)
		return "a key does not end";
	next = pad8((size_t) (end - bytes) + 1);
	if (!is_zero(bytes, (size_t) (end - bytes), next))
		return "bytes that pad a key are not zero";
	*at = next;
	return NULL;
}

/* Check that the sorted order of an object's table is one, which proves its keys to be unique. */
static const char *
check_order(const char *bytes, const Member *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (table[i].sorted >= count)
			return "the order of an object's keys is out of range";
		if (i > 0 && strcmp(bytes + table[table[i - 1].sorted].key, bytes + table[table[i].sorted].key) >= 0)
			return "an object's keys are not unique or not in order";
	}
	return NULL;
}

/* Check an object or list of which limit bytes are there; stores its size. */
static const char *
check_container(const char *bytes, size_t limit, size_t depth, size_t *size)
{
	const Container *container = (const Container *) bytes;
	bool		is_object = container->node.type == ML_NODE_OBJECT;
	size_t		entry = is_object ? sizeof(Member) : sizeof(uint64_t);
	size_t		count;
	size_t		table;
	size_t		at = sizeof(Container);
	const char *reason;

	if (depth > ML_DOCUMENT_DEPTH)
		return "objects and lists are nested too deeply";
	if (limit < sizeof(Container) || container->size < sizeof(Container) ||
		container->size > limit || container->size % 8 != 0)
		return "the size of an object or list is wrong";
	if (container->node.count > (container->size - sizeof(Container)) / entry)
		return "an object or list has more members than bytes";
	count = container->node.count;
	table = container->size - count * entry;

	for (size_t i = 0; i < count; i++)
	{
		const uint64_t *offsets = (const uint64_t *) (bytes + table + i * entry);
		size_t		member_size;

		if (*offsets++ != at)
			return "a member is not where the one before it ends";
		if (is_object)
		{
			reason = check_key(bytes, table, &at);
			if (reason != NULL)
				return reason;
			if (*offsets != at)
				return "a member's value does not follow its key";
		}
		reason = check_node(bytes + at, table - at, depth, &member_size);
		if (reason != NULL)
			return reason;
		at += member_size;
	}
	if (at != table)
		return "an object or list has bytes that belong to no member";
	*size = container->size;
	return is_object ? check_order(bytes, (const Member *) (bytes + table), count) : NULL;
}

/*
 * Check a node inside depth containers, of which at most limit bytes (a multiple of 8) are there;
 * stores its size, which is not above limit.
 */
static const char *
check_node(const char *bytes, size_t limit, size_t depth, size_t *size)
{
	const MlNode *node = (const MlNode *) bytes;
	double		value;

	if (limit < sizeof(MlNode))
		return "a value is cut off";
	if (node->zero != 0)
		return "bytes that pad a value are not zero";
	*size = sizeof(MlNode);
	switch ((MlNodeType) node->type)
	{
		case ML_NODE_NULL:
			return node->count == 0 ? NULL : "a null has a value";
		case ML_NODE_BOOL:
			return node->count <= 1 ? NULL : "a boolean is neither true nor false";
		case ML_NODE_INT:
			return NULL;
		case ML_NODE_DOUBLE:
			memcpy(&value, &node->count, sizeof value);
			return value == value || node->count == ML_CANONICAL_NAN ? NULL : "a NaN is not the canonical one";
		case ML_NODE_STRING:
			return check_string(bytes, limit, size);
		case ML_NODE_OBJECT:
		case ML_NODE_LIST:
			return check_container(bytes, limit, depth + 1, size);
		case ML_NODE_F64S:
		case ML_NODE_F32S:
		case ML_NODE_I64S:
		case ML_NODE_I32S:
		case ML_NODE_BYTES:
			return check_array(bytes, limit, size);
		case ML_NODE_INVALID:
			break;
	}
	return "a value is of no known type";
}

/* Check bytes from outside whole; NULL when sound, else a reason. */
const char *
ml_document_check(const void *bytes, size_t size)
{
	size_t		used;
	const char *reason;

	if ((uintptr_t) bytes % 8 != 0)
		return "bytes are not aligned";
	if (size % 8 != 0)
		return "the size is not a multiple of 8";
	reason = check_node(bytes, size, 0, &used);
	if (reason != NULL)
		return reason;
	if (((const MlNode *) bytes)->type != ML_NODE_OBJECT)
		return "the root is not an object";
	return used == size ? NULL : "bytes follow the root";
}

/* ---------------------------------------------------------------- reading */

/* The table that ends an object or list. */
static inline const void *
container_table(const MlNode *node)
{
	const Container *container = (const Container *) node;
	size_t		entry = node->type == ML_NODE_OBJECT ? sizeof(Member) : sizeof(uint64_t);

	return (const char *) node + container->size - node->count * entry;
}

/* The bytes of a node, all that is below it included. */
size_t
ml_node_size(const MlNode *node)
{
	switch ((MlNodeType) node->type)
	{
		case ML_NODE_OBJECT:
		case ML_NODE_LIST:
			return ((const Container *) node)->size;
		case ML_NODE_STRING:
			return sizeof(MlNode) + pad8(node->count + 1);
		default:
			return sizeof(MlNode) + pad8(node->count * ml_element_size(node->type));
	}
}

/* The root of a checked document. */
const MlNode *
ml_document_root(const void *bytes)
{
	return bytes;
}

/* The type of a node. */
MlNodeType
ml_node_type(const MlNode *node)
{
	return node->type;
}

/* Members of an object or list, elements of an array, bytes of a string; 0 for other types. */
size_t
ml_node_count(const MlNode *node)
{
	return node->type >= ML_NODE_STRING ? node->count : 0;
}

/* The member with that key, found by bisection; NULL when absent or when this is no object. */
const MlNode *
ml_node_find(const MlNode *object, const char *key)
{
	const Member *table;
	size_t		low = 0;
	size_t		high;

	if (object->type != ML_NODE_OBJECT)
		return NULL;
	table = container_table(object);
	high = object->count;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		const Member *member = &table[table[middle].sorted];
		int			order = strcmp(key, (const char *) object + member->key);

		if (order == 0)
			return (const MlNode *) ((const char *) object + member->node);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The index'th member of an object or list; NULL when there is none. */
const MlNode *
ml_node_at(const MlNode *container, size_t index)
{
	const void *table;

	if ((container->type != ML_NODE_OBJECT && container->type != ML_NODE_LIST) || index >= container->count)
		return NULL;
	table = container_table(container);
	return (const MlNode *) ((const char *) container +
							 (container->type == ML_NODE_OBJECT ? ((const Member *) table)[index].node
							  : ((const uint64_t *) table)[index]));
}

/* The key of an object's index'th member; NULL when there is none. */
const char *
ml_node_key(const MlNode *object, size_t index)
{
	if (object->type != ML_NODE_OBJECT || index >= object->count)
		return NULL;
	return (const char *) object + ((const Member *) container_table(object))[index].key;
}

/* The value of a boolean. */
bool
ml_node_bool(const MlNode *node)
{
	return node->count != 0;
}

/* The value of an integer. */
int64_t
ml_node_int(const MlNode *node)
{
	return (int64_t) node->count;
}

/* The value of a double. */
double
ml_node_double(const MlNode *node)
{
	double		value;

	memcpy(&value, &node->count, sizeof value);
	return value;
}

/* The value of a string. */
const char *
ml_node_string(const MlNode *node)
{
	return (const char *) (node + 1);
}

/* The elements of a typed array. */
const void *
ml_node_array(const MlNode *node)
{
	return node + 1;
}

/* ---------------------------------------------------------------- needing */

/* Raise about a member. */
static void __attribute__((noreturn))
raise_corrupted(MlContext *ctx, const char *detail)
{
	ml_raise_full(ctx, ML_ERROR_CORRUPTED, "corrupted model", detail, NULL);
}

/* The member of an object, of the type that is meant. */
const MlNode *
ml_need(MlContext *ctx, const MlNode *object, const char *key, MlNodeType type)
{
	const MlNode *node;

	if (object->type != ML_NODE_OBJECT)
		raise_corrupted(ctx, ml_format(ctx, "Member \"%s\" is looked for in a value of type %s.",
									   key, ml_node_type_name(object->type)));
	node = ml_node_find(object, key);
	if (node == NULL)
		raise_corrupted(ctx, ml_format(ctx, "Member \"%s\" is missing.", key));
	if (node->type != type)
		raise_corrupted(ctx, ml_format(ctx, "Member \"%s\" is of type %s instead of %s.", key,
									   ml_node_type_name(node->type), ml_node_type_name(type)));
	return node;
}

/* The boolean of that key. */
bool
ml_need_bool(MlContext *ctx, const MlNode *object, const char *key)
{
	return ml_node_bool(ml_need(ctx, object, key, ML_NODE_BOOL));
}

/* The integer of that key, between min and max. */
int64_t
ml_need_int(MlContext *ctx, const MlNode *object, const char *key, int64_t min, int64_t max)
{
	int64_t		value = ml_node_int(ml_need(ctx, object, key, ML_NODE_INT));

	if (value < min || value > max)
		raise_corrupted(ctx, ml_format(ctx, "Member \"%s\" is %" PRId64 ", which is not between %" PRId64
									   " and %" PRId64 ".", key, value, min, max));
	return value;
}

/* The double of that key. */
double
ml_need_double(MlContext *ctx, const MlNode *object, const char *key)
{
	return ml_node_double(ml_need(ctx, object, key, ML_NODE_DOUBLE));
}

/* The string of that key. */
const char *
ml_need_string(MlContext *ctx, const MlNode *object, const char *key)
{
	return ml_node_string(ml_need(ctx, object, key, ML_NODE_STRING));
}

/* The elements of the typed array of that key; expected < 0 means any count. */
static const void *
need_array(MlContext *ctx, const MlNode *object, const char *key, MlNodeType type, int64_t expected)
{
	const MlNode *node = ml_need(ctx, object, key, type);

	if (expected >= 0 && node->count != (uint64_t) expected)
		raise_corrupted(ctx, ml_format(ctx, "Member \"%s\" has %" PRIu64 " elements instead of %" PRId64 ".",
									   key, node->count, expected));
	return ml_node_array(node);
}

/* The doubles of that key. */
const double *
ml_need_f64s(MlContext *ctx, const MlNode *object, const char *key, int64_t expected)
{
	return need_array(ctx, object, key, ML_NODE_F64S, expected);
}

/* The 32-bit integers of that key. */
const int32_t *
ml_need_i32s(MlContext *ctx, const MlNode *object, const char *key, int64_t expected)
{
	return need_array(ctx, object, key, ML_NODE_I32S, expected);
}
