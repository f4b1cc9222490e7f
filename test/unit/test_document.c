/*
 * Documents, their JSON, the container of a model, and the hash of bytes.
 */
#include "unit.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "learn/learner.h"
#include "model/container.h"
#include "base/document.h"

/* ---------------------------------------------------------------- helpers */

/* A copy that is exactly as long as it says, so that a sanitizer sees a read past it. */
static void *
exact_copy(const void *bytes, size_t size)
{
	void	   *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* A document with a node of every type, at the root, in an object and in a list. */
static void *
sample_document(MlContext *ctx, size_t *size)
{
	static const double f64s[] = {1.0, -0.0, 0.1, 1e300, 5e-324, NAN, INFINITY, -INFINITY};
	static const float f32s[] = {0.1f, -3e38f, 1e-45f, NAN, INFINITY};
	static const int64_t i64s[] = {INT64_MIN, -1, 0, INT64_MAX};
	static const int32_t i32s[] = {INT32_MIN, 7, INT32_MAX};
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_null(w, "null");
	ml_write_bool(w, "true", true);
	ml_write_bool(w, "false", false);
	ml_write_int(w, "int", -42);
	ml_write_double(w, "double", 0.1);
	ml_write_double(w, "nan", NAN);
	ml_write_string(w, "string", "h\xc3\xa9llo \"\\\n\x01");
	ml_write_string(w, "", "");
	ml_write_f64s(w, "f64s", f64s, 8);
	ml_write_f32s(w, "f32s", f32s, 5);
	ml_write_i64s(w, "$i64", i64s, 4);
	ml_write_i32s(w, "i32s", i32s, 3);
	ml_write_bytes(w, "bytes", "\0\x7f\xff", 3);
	ml_write_object(w, "empty object");
	ml_write_end(w);
	ml_write_list(w, "list");
	ml_write_list(w, NULL);
	ml_write_end(w);
	ml_write_object(w, NULL);
	ml_write_f64s(w, "$f64", f64s, 0);
	ml_write_end(w);
	ml_write_string(w, NULL, "seven77");
	ml_write_double(w, NULL, INFINITY);
	ml_write_bool(w, NULL, true);
	ml_write_end(w);
	return ml_writer_finish(w, size);
}

/* A model's bytes of small sections. */
static void *
sample_container(MlContext *ctx, size_t *size)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {{NULL, 0}};

	for (int id = 1; id <= ML_SECTION_LAST; id++)
	{
		MlWriter   *w = ml_writer_create(ctx);
		double		values[3] = {id, 0.5, -1.25};

		ml_write_int(w, "section", id);
		ml_write_f64s(w, "values", values, 3);
		ml_write_string(w, "name", "x");
		sections[id].bytes = ml_writer_finish(w, &sections[id].size);
	}
	return ml_container_build(ctx, ml_algorithm_table[0]->id, sections, size);
}

/* Are these the bytes that their own JSON gives? */
static bool
json_gives_back(MlContext *ctx, const void *bytes, size_t size)
{
	char	   *json = ml_node_to_json(ctx, ml_document_root(bytes), false);
	size_t		again_size;
	void	   *again = ml_document_from_json(ctx, json, strlen(json), &again_size);
	bool		same = again_size == size && memcmp(again, bytes, size) == 0;

	ml_free(ctx, again);
	ml_free(ctx, json);
	return same;
}

/* The JSON of a JSON object, read and written again. */
static const char *
rewritten(MlContext *ctx, const char *json)
{
	size_t		size;
	void	   *bytes = ml_document_from_json(ctx, json, strlen(json), &size);

	if (ml_document_check(bytes, size) != NULL)
		return ml_document_check(bytes, size);
	return ml_node_to_json(ctx, ml_document_root(bytes), false);
}

/* Make size and checksum of changed bytes right again, as container.h says. */
static void
restamp(char *bytes, size_t size)
{
	uint64_t	total = size;
	uint64_t	checksum = 0;

	memcpy(bytes + 16, &total, 8);
	memcpy(bytes + 24, &checksum, 8);
	checksum = ml_hash_bytes(bytes + 40, size - 40, ml_hash_bytes(bytes, 40, 0));
	memcpy(bytes + 24, &checksum, 8);
}

/* ---------------------------------------------------------------- hash */

/* The values are stored in models and decide splits: these may never change. */
static void
test_hash_is_fixed(MlContext *ctx)
{
	static const char text[] = "The quick brown fox jumps over the lazy dog, and then it does so again and again.";
	static const struct
	{
		size_t		length;
		uint64_t	seed;
		uint64_t	hash;
	}			fixed[] =
	{
		{0, UINT64_C(0), UINT64_C(0xdd4bdbe01ef7d5b6)},
		{0, UINT64_C(1), UINT64_C(0x4101b9241758f6c6)},
		{1, UINT64_C(0), UINT64_C(0xd4fc944529425015)},
		{2, UINT64_C(0), UINT64_C(0x98ce3ab300b3c11e)},
		{3, UINT64_C(7), UINT64_C(0xeaba7651588b9c82)},
		{4, UINT64_C(0), UINT64_C(0x41e60dd543d7e316)},
		{7, UINT64_C(0), UINT64_C(0xc1dddfa218409ffc)},
		{8, UINT64_C(0), UINT64_C(0x7283f2f9257dd9ff)},
		{9, UINT64_C(0), UINT64_C(0x805834c87f50188c)},
		{15, UINT64_C(0), UINT64_C(0x852736fd2901d838)},
		{16, UINT64_C(0), UINT64_C(0x1757587c67cefb60)},
		{17, UINT64_C(18446744073709551615), UINT64_C(0x95e0a4e0a61ef3be)},
		{31, UINT64_C(0), UINT64_C(0x1a5b4574df9310bb)},
		{32, UINT64_C(0), UINT64_C(0x3f64a02a8b51b139)},
		{33, UINT64_C(0), UINT64_C(0xea17d01909f1564e)},
		{63, UINT64_C(0), UINT64_C(0x8062b0a70610c104)},
		{64, UINT64_C(0), UINT64_C(0x5fee7e5e87fd79bd)},
		{65, UINT64_C(0), UINT64_C(0xbe5df00972baca99)},
		{80, UINT64_C(0), UINT64_C(0x05d038cbc95f0743)},
		{81, UINT64_C(42), UINT64_C(0xcd43bcc2b0383395)},
	};

	(void) ctx;
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
	{
		for (size_t shift = 0; shift < 8; shift++)
		{
			char		moved[128];

			memcpy(moved + shift, text, sizeof text);
			CHECK(ml_hash_bytes(moved + shift, fixed[i].length, fixed[i].seed) == fixed[i].hash);
		}
	}
}

/* Every bit of the input moves about half of the output's bits, at every length. */
static void
test_hash_avalanche(MlContext *ctx)
{
	unsigned char bytes[200];
	MlRandom	random;
	double		sum = 0;
	size_t		count = 0;
	int			least = 64;

	(void) ctx;
	ml_random_seed(&random, 1);
	for (size_t length = 1; length <= sizeof bytes; length++)
	{
		uint64_t	hash;

		for (size_t i = 0; i < length; i++)
			bytes[i] = (unsigned char) ml_random_next(&random);
		hash = ml_hash_bytes(bytes, length, length);
		for (size_t bit = 0; bit < length * 8; bit++)
		{
			int			moved;

			bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
			moved = __builtin_popcountll(hash ^ ml_hash_bytes(bytes, length, length));
			bytes[bit / 8] ^= (unsigned char) (1 << bit % 8);
			sum += moved;
			count++;
			if (moved < least)
				least = moved;
		}
	}
	CHECK_NEAR(sum / (double) count, 32.0, 0.01);
	/* 160,800 draws of a binomial (64, 1/2): below 8 has a probability of 5e-11 each */
	CHECK(least >= 8);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* Keys that are much alike have different hashes, and so have zeros of different lengths. */
static void
test_hash_collisions(MlContext *ctx)
{
	enum
	{
		KEYS = 200000,
		ZEROS = 1000
	};
	static const char zeros[ZEROS];
	uint64_t   *hashes = ml_alloc_array(ctx, KEYS + ZEROS, sizeof(uint64_t));
	size_t		same = 0;

	for (int i = 0; i < KEYS; i++)
	{
		char		key[32];

		snprintf(key, sizeof key, i % 2 == 0 ? "%d" : "a somewhat longer key %d", i);
		hashes[i] = ml_hash_bytes(key, strlen(key), 0);
	}
	for (int i = 0; i < ZEROS; i++)
		hashes[KEYS + i] = ml_hash_bytes(zeros, (size_t) i, 0);
	qsort(hashes, KEYS + ZEROS, sizeof(uint64_t), compare_hashes);
	for (size_t i = 1; i < KEYS + ZEROS; i++)
		same += hashes[i] == hashes[i - 1];
	CHECK(same == 0);
}

/* ---------------------------------------------------------------- documents */

/* What is written can be read. */
static void
test_every_type(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_document(ctx, &size);
	const MlNode *root = ml_document_root(bytes);
	const MlNode *list;

	CHECK(ml_document_check(bytes, size) == NULL);
	CHECK(ml_node_type(root) == ML_NODE_OBJECT && ml_node_count(root) == 15);
	CHECK(strcmp(ml_node_key(root, 3), "int") == 0);
	CHECK(ml_node_key(root, 15) == NULL && ml_node_at(root, 15) == NULL);
	CHECK(ml_node_at(root, 3) == ml_node_find(root, "int"));
	CHECK(ml_node_type(ml_node_find(root, "null")) == ML_NODE_NULL);
	CHECK(ml_need_bool(ctx, root, "true") && !ml_need_bool(ctx, root, "false"));
	CHECK(ml_need_int(ctx, root, "int", -42, -42) == -42);
	CHECK(ml_need_double(ctx, root, "double") == 0.1);
	CHECK(isnan(ml_need_double(ctx, root, "nan")));
	CHECK(strcmp(ml_need_string(ctx, root, "string"), "h\xc3\xa9llo \"\\\n\x01") == 0);
	CHECK(strcmp(ml_need_string(ctx, root, ""), "") == 0);
	CHECK(ml_need_f64s(ctx, root, "f64s", 8)[3] == 1e300 && signbit(ml_need_f64s(ctx, root, "f64s", -1)[1]));
	CHECK(((const float *) ml_node_array(ml_need(ctx, root, "f32s", ML_NODE_F32S)))[0] == 0.1f);
	CHECK(((const int64_t *) ml_node_array(ml_need(ctx, root, "$i64", ML_NODE_I64S)))[0] == INT64_MIN);
	CHECK(ml_need_i32s(ctx, root, "i32s", 3)[2] == INT32_MAX);
	CHECK(memcmp(ml_node_array(ml_need(ctx, root, "bytes", ML_NODE_BYTES)), "\0\x7f\xff", 3) == 0);
	CHECK(ml_node_count(ml_need(ctx, root, "empty object", ML_NODE_OBJECT)) == 0);
	list = ml_need(ctx, root, "list", ML_NODE_LIST);
	CHECK(ml_node_count(list) == 5 && ml_node_count(ml_node_at(list, 0)) == 0);
	CHECK(strcmp(ml_node_string(ml_node_at(list, 2)), "seven77") == 0);
	CHECK(ml_node_bool(ml_node_at(list, 4)) && ml_node_at(list, 5) == NULL);
	CHECK(ml_node_find(root, "absent") == NULL && ml_node_find(list, "int") == NULL);
}

/* Arrays lie aligned, so that they are read in place. */
static void
test_alignment(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	double		values[2] = {1, 2};
	size_t		size;
	const MlNode *root;

	for (int i = 0; i < 20; i++)
	{
		char		key[32];

		snprintf(key, sizeof key, "%.*s", i, "abcdefghijklmnopqrstuvwxyz");
		ml_write_f64s(w, key, values, 2);
		snprintf(key, sizeof key, "%.*s", i, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (i > 0)
			ml_write_bytes(w, key, "01234567890123456789", (size_t) i);
	}
	root = ml_document_root(ml_writer_finish(w, &size));
	CHECK(size % 8 == 0 && ml_document_check(root, size) == NULL);
	for (size_t i = 0; i < ml_node_count(root); i++)
		CHECK((uintptr_t) ml_node_array(ml_node_at(root, i)) % 8 == 0);
}

/* An object of very many members, in an order that is not sorted. */
static void
test_many_members(MlContext *ctx)
{
	enum
	{
		MEMBERS = 20011
	};
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	void	   *bytes;
	const MlNode *root;
	bool		found = true;
	char		key[16];

	for (int i = 0; i < MEMBERS; i++)
	{
		snprintf(key, sizeof key, "k%d", (int) ((int64_t) i * 7919 % MEMBERS));
		ml_write_int(w, key, i);
	}
	bytes = ml_writer_finish(w, &size);
	CHECK(ml_document_check(bytes, size) == NULL);
	root = ml_document_root(bytes);
	for (int i = 0; i < MEMBERS; i++)
	{
		snprintf(key, sizeof key, "k%d", (int) ((int64_t) i * 7919 % MEMBERS));
		found = found && strcmp(ml_node_key(root, (size_t) i), key) == 0 && ml_need_int(ctx, root, key, 0, MEMBERS) == i;
	}
	CHECK(found);
	CHECK(json_gives_back(ctx, bytes, size));
}

/* A node can be copied into another document. */
static void
test_copy_node(MlContext *ctx)
{
	size_t		size;
	const MlNode *root = ml_document_root(sample_document(ctx, &size));
	MlWriter   *w = ml_writer_create(ctx);
	size_t		copy_size;
	void	   *copy;
	char	   *json = ml_node_to_json(ctx, root, false);

	ml_write_list(w, "copies");
	ml_write_node(w, NULL, root);
	ml_write_node(w, NULL, ml_node_find(root, "string"));
	ml_write_end(w);
	ml_write_node(w, "whole", root);
	copy = ml_writer_finish(w, &copy_size);
	CHECK(ml_document_check(copy, copy_size) == NULL);
	root = ml_document_root(copy);
	CHECK(strcmp(ml_node_to_json(ctx, ml_node_find(root, "whole"), false), json) == 0);
	CHECK(strcmp(ml_node_to_json(ctx, ml_node_at(ml_node_find(root, "copies"), 0), false), json) == 0);
}

/* A NaN of whatever bits becomes one and the same. */
static void
test_one_nan(MlContext *ctx)
{
	const char *forms[2];

	for (int i = 0; i < 2; i++)
	{
		uint64_t	bits = i == 0 ? UINT64_C(0x7ff8000000000000) : UINT64_C(0xfff8000000012345);
		uint32_t	bits32 = i == 0 ? UINT32_C(0x7fc00000) : UINT32_C(0xffc00123);
		double		value;
		float		value32;
		MlWriter   *w = ml_writer_create(ctx);
		size_t		size;

		memcpy(&value, &bits, 8);
		memcpy(&value32, &bits32, 4);
		ml_write_double(w, "scalar", value);
		ml_write_f64s(w, "doubles", &value, 1);
		ml_write_f32s(w, "floats", &value32, 1);
		forms[i] = ml_writer_finish(w, &size);
		CHECK(ml_document_check(forms[i], size) == NULL);
		if (i == 1)
			CHECK(memcmp(forms[0], forms[1], size) == 0);
	}
}

static void
write_key_twice(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_null(w, "a");
	ml_write_null(w, "b");
	ml_write_null(w, "a");
	ml_writer_finish(w, &size);
}

static void
write_without_key(MlContext *ctx)
{
	ml_write_null(ml_writer_create(ctx), NULL);
}

static void
write_key_in_list(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_list(w, "list");
	ml_write_null(w, "key");
}

static void
write_end_of_root(MlContext *ctx)
{
	ml_write_end(ml_writer_create(ctx));
}

static void
write_open_end(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_list(w, "list");
	ml_writer_finish(w, &size);
}

static void
write_nul(MlContext *ctx)
{
	ml_write_string_length(ml_writer_create(ctx), "s", "a\0b", 3);
}

/* A document of lists so many deep, the root included. */
static void *
deep_document(MlContext *ctx, int depth, size_t *size)
{
	MlWriter   *w = ml_writer_create(ctx);

	for (int i = 1; i < depth; i++)
		ml_write_list(w, i == 1 ? "a" : NULL);
	ml_write_int(w, depth == 1 ? "a" : NULL, 1);
	for (int i = 1; i < depth; i++)
		ml_write_end(w);
	return ml_writer_finish(w, size);
}

static void
write_too_deep(MlContext *ctx)
{
	size_t		size;

	deep_document(ctx, 65, &size);
}

static void
write_too_deep_copy(MlContext *ctx)
{
	size_t		size;
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_node(w, "a", ml_document_root(deep_document(ctx, 64, &size)));
}

/* A writer that is used wrongly says so. */
static void
test_writer_misuse(MlContext *ctx)
{
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_key_twice(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_without_key(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_key_in_list(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_end_of_root(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_open_end(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_nul(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_too_deep(ctx));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, write_too_deep_copy(ctx));
	CHECK_RAISES(ctx, ML_ERROR_MEMORY, ml_write_f64s(ml_writer_create(ctx), "a", NULL, SIZE_MAX / 8));
	CHECK_RAISES(ctx, ML_ERROR_MEMORY, ml_write_f64s(ml_writer_create(ctx), "a", NULL, SIZE_MAX / 2));
}

/* What is needed and is not there, or is otherwise, is an error. */
static void
test_needing(MlContext *ctx)
{
	size_t		size;
	const MlNode *root = ml_document_root(sample_document(ctx, &size));

	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need(ctx, root, "absent", ML_NODE_INT));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need(ctx, root, "int", ML_NODE_DOUBLE));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need(ctx, ml_node_find(root, "list"), "int", ML_NODE_INT));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_int(ctx, root, "int", 0, 10));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_int(ctx, root, "int", -100, -43));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_double(ctx, root, "int"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_bool(ctx, root, "null"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_string(ctx, root, "bytes"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_f64s(ctx, root, "f64s", 7));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_f64s(ctx, root, "$i64", -1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_need_i32s(ctx, root, "i32s", 4));
}

/* Every bit of a document either breaks it, or means something else; none is idle. */
static void
test_document_bits(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_document(ctx, &size);
	char	   *json = ml_node_to_json(ctx, ml_document_root(bytes), false);
	unsigned char *copy = exact_copy(bytes, size);
	size_t		sound = 0;
	size_t		same = 0;
	size_t		lost = 0;

	for (size_t bit = 0; bit < size * 8; bit++)
	{
		copy[bit / 8] ^= (unsigned char) (1 << bit % 8);
		if (ml_document_check(copy, size) == NULL)
		{
			char	   *other = ml_node_to_json(ctx, ml_document_root(copy), false);

			sound++;
			same += strcmp(json, other) == 0;
			lost += !json_gives_back(ctx, copy, size);
			ml_free(ctx, other);
		}
		copy[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	CHECK(sound > 0 && sound < size * 8);
	CHECK(same == 0);
	CHECK(lost == 0);
	free(copy);
}

/* A document cut anywhere, or with something behind it, is none. */
static void
test_document_truncation(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_document(ctx, &size);
	char	   *longer = ml_alloc_zero(ctx, size + 8);

	for (size_t length = 0; length < size; length++)
	{
		void	   *copy = exact_copy(bytes, length);

		CHECK(ml_document_check(copy, length) != NULL);
		free(copy);
	}
	memcpy(longer, bytes, size);
	CHECK(ml_document_check(longer, size + 8) != NULL);
	CHECK(ml_document_check(longer, size) == NULL);
	memmove(longer + 4, bytes, size);
	CHECK(ml_document_check(longer + 4, size) != NULL);
}

/* The depth of documents is bounded in writing, in checking and in JSON alike. */
static void
test_depth(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = deep_document(ctx, 64, &size);
	char		json[512] = "{\"a\": ";
	char	   *wrapped;

	CHECK(ml_document_check(bytes, size) == NULL);
	CHECK(json_gives_back(ctx, bytes, size));

	/* lists around the deepest document there may be, made by hand: header, size, element, table */
	wrapped = ml_alloc_zero(ctx, size + 96);
	memcpy(wrapped, (uint64_t[]) {ML_NODE_OBJECT, 1, size + 64, 'a'}, 32);
	memcpy(wrapped + 32, bytes, size);
	memcpy(wrapped + 32 + size, (uint64_t[]) {24, 32, 0}, 24);
	memcpy(wrapped + 16, (uint64_t[]) {size + 56}, 8);
	CHECK(ml_document_check(wrapped, size + 56) != NULL);
	CHECK(strstr(ml_document_check(wrapped, size + 56), "deep") != NULL);
	bytes = deep_document(ctx, 63, &size);
	memcpy(wrapped + 32, bytes, size);
	memcpy(wrapped + 32 + size, (uint64_t[]) {24, 32, 0}, 24);
	memcpy(wrapped + 16, (uint64_t[]) {size + 56}, 8);
	CHECK(ml_document_check(wrapped, size + 56) == NULL);

	memset(json + 6, '[', 64);
	memset(json + 70, ']', 64);
	strcpy(json + 134, "}");
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, json));
	memset(json + 6, '[', 400);
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, json));
	/* a typed array in the deepest list is no list itself */
	memset(json + 6, '[', 63);
	strcpy(json + 69, "{\"$f64\": [1.0]}");
	memset(json + strlen(json), ']', 63);
	json[69 + 15 + 63] = '\0';
	strcat(json, "}");
	CHECK(strcmp(rewritten(ctx, json), json) == 0);
}

/* Hostile counts, sizes and offsets, each in a document that is else sound. */
static void
test_document_hostile(MlContext *ctx)
{
	static const uint64_t values[] = {1, 2, 7, 8, 16, 24, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX,
	UINT64_C(1) << 61, (UINT64_C(1) << 61) + 1, UINT64_C(1) << 60, UINT64_MAX / 24, UINT64_MAX / 24 + 1};
	size_t		size;
	void	   *bytes = sample_document(ctx, &size);
	char	   *copy = exact_copy(bytes, size);
	size_t		lost = 0;

	for (size_t at = 0; at < size; at += 8)
	{
		for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		{
			memcpy(copy + at, &values[i], 8);
			if (ml_document_check(copy, size) == NULL)
				lost += !json_gives_back(ctx, copy, size);
		}
		/* and every number that could pass for a count, a size or an offset here; the larger ones are only checked */
		for (uint64_t value = 0; value <= size; value++)
		{
			memcpy(copy + at, &value, 8);
			if (ml_document_check(copy, size) == NULL && value <= 32)
				lost += !json_gives_back(ctx, copy, size);
		}
		memcpy(copy + at, (char *) bytes + at, 8);
	}
	CHECK(lost == 0);
	free(copy);
}

/* A string that takes in all that is left of its object, and a member after it. */
static void
test_document_long_string(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	char	   *bytes;
	char	   *string = exact_copy("                        ", 24);
	uint64_t	count;

	ml_write_string(w, "a", "");
	ml_write_null(w, "b");
	bytes = ml_writer_finish(w, &size);
	CHECK(ml_document_check(bytes, size) == NULL);
	/* 24 of the root and 8 of the key before the string's header, 48 of the table behind */
	count = size - 48 - 32 - 16;
	memcpy(bytes + 32 + 8, &count, 8);
	memset(bytes + 32 + 16, 'x', count);
	CHECK(ml_document_check(bytes, size) != NULL);

	/* the same with nothing behind it at all */
	memcpy(string, (uint64_t[]) {ML_NODE_STRING, 8, UINT64_C(0x7878787878787878)}, 24);
	CHECK(ml_document_check(string, 24) != NULL);
	free(string);
}

/* ---------------------------------------------------------------- containers */

/* A container is what was put in. */
static void
test_container(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_container(ctx, &size);
	char	   *json;
	size_t		again_size;
	void	   *again;

	CHECK(ml_container_check(bytes, size) == NULL);
	CHECK(ml_container_algorithm(bytes) == ml_algorithm_table[0]->id);
	CHECK(ml_container_checksum(bytes) != 0);
	for (int id = 1; id <= ML_SECTION_LAST; id++)
		CHECK(ml_need_int(ctx, ml_container_section(bytes, (MlSection) id), "section", 1, 5) == id);
	json = ml_container_to_json(ctx, bytes);
	CHECK(strncmp(json, "{\"mlaas_model\": 1, \"algorithm\": \"", 33) == 0);
	again = ml_container_from_json(ctx, json, strlen(json), &again_size);
	CHECK(again_size == size && memcmp(again, bytes, size) == 0);
	CHECK(strcmp(ml_container_to_json(ctx, again), json) == 0);
}

/* A section may be as deep as a document may. */
static void
test_container_depth(MlContext *ctx)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {{NULL, 0}};
	size_t		size;
	size_t		again_size;
	void	   *bytes;
	void	   *again;
	char	   *json;

	for (int id = 1; id <= ML_SECTION_LAST; id++)
		sections[id].bytes = deep_document(ctx, 64, &sections[id].size);
	bytes = ml_container_build(ctx, ml_algorithm_table[0]->id, sections, &size);
	CHECK(ml_container_check(bytes, size) == NULL);
	json = ml_container_to_json(ctx, bytes);
	again = ml_container_from_json(ctx, json, strlen(json), &again_size);
	CHECK(again_size == size && memcmp(again, bytes, size) == 0);
}

/* Any byte changed to any other value is found. */
static void
test_container_bytes(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_container(ctx, &size);
	unsigned char *copy = exact_copy(bytes, size);
	size_t		missed = 0;

	for (size_t at = 0; at < size; at++)
	{
		for (int change = 1; change < 256; change++)
		{
			copy[at] ^= (unsigned char) change;
			missed += ml_container_check(copy, size) == NULL;
			copy[at] ^= (unsigned char) change;
		}
	}
	CHECK(missed == 0);
	CHECK(ml_container_check(copy, size) == NULL);
	free(copy);
}

/* A model cut anywhere, or with something behind it, is none, with the old size or with one that is right. */
static void
test_container_truncation(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_container(ctx, &size);
	char	   *longer = ml_alloc_zero(ctx, size + 8);

	memcpy(longer, bytes, size);
	CHECK(ml_container_check(longer, size) == NULL);
	for (size_t length = size + 1; length <= size + 8; length++)
	{
		CHECK(ml_container_check(longer, length) != NULL);
		restamp(longer, length);
		CHECK(ml_container_check(longer, length) != NULL);
	}

	for (size_t length = 0; length < size; length++)
	{
		char	   *copy = exact_copy(bytes, length);

		CHECK(ml_container_check(copy, length) != NULL);
		if (length >= 40)
		{
			restamp(copy, length);
			CHECK(ml_container_check(copy, length) != NULL);
		}
		free(copy);
	}
}

/* Change some bytes in one of several ways. */
static void
mutate(MlRandom *random, unsigned char *bytes, size_t size)
{
	size_t		changes = 1 + ml_random_below(random, 4);

	for (size_t i = 0; i < changes; i++)
	{
		size_t		at = ml_random_below(random, size);
		size_t		word = at & ~(size_t) 7;
		uint64_t	value;

		switch (ml_random_below(random, 5))
		{
			case 0:
				bytes[at] ^= (unsigned char) (1 << ml_random_below(random, 8));
				break;
			case 1:
				bytes[at] = (unsigned char) ml_random_next(random);
				break;
			case 2:
				value = ml_random_next(random) >> ml_random_below(random, 64);
				memcpy(bytes + word, &value, 8);
				break;
			case 3:
				memcpy(&value, bytes + word, 8);
				value += ml_random_below(random, 5) * 8 - 16;
				memcpy(bytes + word, &value, 8);
				break;
			default:
				memmove(bytes + word, bytes + (ml_random_below(random, size) & ~(size_t) 7), 8);
				break;
		}
	}
}

/* Changed bytes under a checksum made right: what the check lets through is a model all the same. */
static void
test_container_mutations(MlContext *ctx)
{
	size_t		size;
	void	   *bytes = sample_container(ctx, &size);
	unsigned char *copy = exact_copy(bytes, size);
	MlRandom	random;
	size_t		sound = 0;
	size_t		lost = 0;

	ml_random_seed(&random, 2);
	for (int turn = 0; turn < 50000; turn++)
	{
		memcpy(copy, bytes, size);
		mutate(&random, copy, size);
		restamp((char *) copy, size);
		if (ml_container_check(copy, size) == NULL && ml_algorithm_by_id(ml_container_algorithm(copy)) != NULL)
		{
			char	   *json = ml_container_to_json(ctx, copy);
			size_t		again_size;
			void	   *again = ml_container_from_json(ctx, json, strlen(json), &again_size);

			sound++;
			lost += again_size != size || memcmp(again, copy, size) != 0;
			ml_free(ctx, again);
			ml_free(ctx, json);
		}
	}
	CHECK(sound > 1000);
	CHECK(lost == 0);
	free(copy);
}

/* Headers that are wrong under a right checksum. */
static void
test_container_header(MlContext *ctx)
{
	static const struct
	{
		size_t		at;
		uint32_t	value;
		const char *reason;
	}			wrong[] =
	{
		{0, 0x41414c4e, "begin"},
		{8, 0, "version"},
		{8, ML_FORMAT_VERSION + 1, "newer"},
		{12, 0, "algorithm"},
		{32, 4, "number of sections"},
		{32, 6, "number of sections"},
		{36, 1, "pad"},
		{40, 2, "table"},
		{44, 1, "table"},
		{48, 168, "section"},
		{56, UINT32_MAX, "section"},
		{60, UINT32_MAX, "section"},
	};
	size_t		size;
	void	   *bytes = sample_container(ctx, &size);

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
	{
		char	   *copy = exact_copy(bytes, size);
		const char *reason;

		memcpy(copy + wrong[i].at, &wrong[i].value, 4);
		restamp(copy, size);
		reason = ml_container_check(copy, size);
		CHECK(reason != NULL && strstr(reason, wrong[i].reason) != NULL);
		free(copy);
	}
}

static void *
container_from(MlContext *ctx, const char *json)
{
	size_t		size;

	return ml_container_from_json(ctx, json, strlen(json), &size);
}

/* A text form that lacks something, has too much, or is from elsewhere. */
static void
test_container_text(MlContext *ctx)
{
#define SECTIONS_BUT_LAST "\"signature\": {}, \"preparation\": {}, \"parameters\": {}, \"summary\": {}"
	char	   *head = ml_format(ctx, "{\"mlaas_model\": 1, \"algorithm\": \"%s\"", ml_algorithm_table[0]->name);
	char	   *whole = ml_format(ctx, "%s, " SECTIONS_BUT_LAST ", \"payload\": {}}", head);

	CHECK(strcmp(ml_container_to_json(ctx, container_from(ctx, whole)), whole) == 0);
	CHECK(strcmp(ml_container_to_json(ctx, container_from(ctx, ml_format(ctx,
			"{\"payload\": {}, " SECTIONS_BUT_LAST ", \"algorithm\": \"%s\", \"mlaas_model\": 1}",
			ml_algorithm_table[0]->name))), whole) == 0);
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, container_from(ctx, ml_format(ctx, "%s, " SECTIONS_BUT_LAST "}", head)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED,
				 container_from(ctx, ml_format(ctx, "%s, " SECTIONS_BUT_LAST ", \"payload\": []}", head)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED,
				 container_from(ctx, ml_format(ctx, "%s, " SECTIONS_BUT_LAST ", \"payload\": {}, \"more\": 1}", head)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, container_from(ctx, "{}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, container_from(ctx, "{\"mlaas_model\": 0}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, container_from(ctx, "{\"mlaas_model\": 1.0}"));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, container_from(ctx, "{\"mlaas_model\": 2}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, container_from(ctx, "{\"mlaas_model\": 1}"));
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, container_from(ctx, "{\"mlaas_model\": 1, \"algorithm\": \"oracle\"}"));
}

/* ---------------------------------------------------------------- JSON */

/* Numbers of every size come back to the last bit. */
static void
test_json_numbers(MlContext *ctx)
{
	MlRandom	random;
	MlWriter   *w = ml_writer_create(ctx);
	double	   *doubles = ml_alloc_array(ctx, 256, sizeof(double));
	float	   *floats = ml_alloc_array(ctx, 256, sizeof(float));
	int64_t    *integers = ml_alloc_array(ctx, 256, sizeof(int64_t));
	size_t		size;
	void	   *bytes;

	ml_random_seed(&random, 3);
	for (int turn = 0; turn < 100; turn++)
	{
		char		key[16];

		for (int i = 0; i < 256; i++)
		{
			uint64_t	bits = ml_random_next(&random);

			memcpy(&doubles[i], &bits, 8);
			memcpy(&floats[i], &bits, 4);
			integers[i] = (int64_t) bits >> (i % 64);
			if (turn % 4 == 1)
				doubles[i] = (double) (integers[i] % 1000000) / 1000.0;
			if (turn % 4 == 2)
				floats[i] = (float) (integers[i] % 10000) / 100.0f;
		}
		snprintf(key, sizeof key, "d%d", turn);
		ml_write_f64s(w, key, doubles, 256);
		snprintf(key, sizeof key, "f%d", turn);
		ml_write_f32s(w, key, floats, 256);
		snprintf(key, sizeof key, "i%d", turn);
		ml_write_i64s(w, key, integers, 256);
		snprintf(key, sizeof key, "s%d", turn);
		ml_write_double(w, key, doubles[turn]);
	}
	bytes = ml_writer_finish(w, &size);
	CHECK(ml_document_check(bytes, size) == NULL);
	CHECK(json_gives_back(ctx, bytes, size));
}

/* A double in the form that JSON gives it. */
static const char *
json_double(MlContext *ctx, double value)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_double(w, "x", value);
	return ml_node_to_json(ctx, ml_document_root(ml_writer_finish(w, &size)), false);
}

/* Numbers are as short as they can be, and never look like integers. */
static void
test_json_double_forms(MlContext *ctx)
{
	CHECK(strcmp(json_double(ctx, 0.0), "{\"x\": 0.0}") == 0);
	CHECK(strcmp(json_double(ctx, -0.0), "{\"x\": -0.0}") == 0);
	CHECK(strcmp(json_double(ctx, 1), "{\"x\": 1.0}") == 0);
	CHECK(strcmp(json_double(ctx, 0.1), "{\"x\": 0.1}") == 0);
	CHECK(strcmp(json_double(ctx, 0.1 + 0.2), "{\"x\": 0.30000000000000004}") == 0);
	CHECK(strcmp(json_double(ctx, 1e22), "{\"x\": 1e+22}") == 0);
	CHECK(strcmp(json_double(ctx, 123456789012345.0), "{\"x\": 123456789012345.0}") == 0);
	CHECK(strcmp(json_double(ctx, 9007199254740992.0), "{\"x\": 9007199254740992.0}") == 0);
	CHECK(strcmp(json_double(ctx, DBL_MAX), "{\"x\": 1.7976931348623157e+308}") == 0);
	CHECK(strcmp(json_double(ctx, 5e-324), "{\"x\": 4.94065645841247e-324}") == 0);
	CHECK(strcmp(json_double(ctx, NAN), "{\"x\": {\"$f64\": \"NaN\"}}") == 0);
	CHECK(strcmp(json_double(ctx, INFINITY), "{\"x\": {\"$f64\": \"Infinity\"}}") == 0);
	CHECK(strcmp(json_double(ctx, -INFINITY), "{\"x\": {\"$f64\": \"-Infinity\"}}") == 0);
}

/* Every byte but NUL, in a string and in a key. */
static void
test_json_strings(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	char		all[256];
	size_t		size;
	void	   *bytes;

	for (int c = 1; c < 256; c++)
	{
		char		one[2] = {(char) c, '\0'};

		all[c - 1] = (char) c;
		ml_write_string(w, one, one);
	}
	all[255] = '\0';
	ml_write_string(w, all, all);
	bytes = ml_writer_finish(w, &size);
	CHECK(ml_document_check(bytes, size) == NULL);
	CHECK(json_gives_back(ctx, bytes, size));
	CHECK(strcmp(rewritten(ctx, "{\"a\": \"\\u0041\\/\\u00e9\\ud83d\\ude00\\b\\f\\n\\r\\t\\u001f\\u007f\"}"),
				 "{\"a\": \"A/\xc3\xa9\xf0\x9f\x98\x80\\b\\f\\n\\r\\t\\u001f\x7f\"}") == 0);
}

/* A key that begins with a dollar is no marker, and an object with more than a marker is none. */
static void
test_json_dollars(MlContext *ctx)
{
	static const char *const same[] = {
		"{\"$$f64\": [1]}",
		"{\"a\": {\"$$f64\": \"NaN\"}}",
		"{\"a\": {\"$$\": 1, \"$$$f64\": 2, \"$$other\": 3}}",
		"{\"a\": {\"$f64\": [1.0]}, \"$$f64\": {\"$f64\": []}}",
	};

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		CHECK(strcmp(rewritten(ctx, same[i]), same[i]) == 0);
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, "{\"$f64\": [1]}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, "{\"a\": {\"$f64\": [1], \"b\": 2}}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, "{\"a\": {\"$f64\": [1], \"$i64\": [2]}}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, "{\"a\": {\"$f16\": [1]}}"));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, rewritten(ctx, "{\"$\": 1}"));
}

/* Typed arrays around the length where base64 begins, and both forms read at any length. */
static void
test_json_arrays(MlContext *ctx)
{
	static const size_t counts[] = {0, 1, 2, 3, 4, 5, 255, 256, 257, 1000};
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	void	   *bytes;
	char	   *json;

	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
	{
		size_t		n = counts[i];
		double	   *values = ml_alloc_array(ctx, n + 1, sizeof(double));

		for (size_t j = 0; j <= n; j++)
			values[j] = 1.0 / (double) (j + 1);
		ml_write_f64s(w, ml_format(ctx, "f64 %zu", n), values, n);
		ml_write_f32s(w, ml_format(ctx, "f32 %zu", n), (float[1001]) {1.5f}, n);
		ml_write_i64s(w, ml_format(ctx, "i64 %zu", n), (int64_t[1001]) {-1}, n);
		ml_write_i32s(w, ml_format(ctx, "i32 %zu", n), (int32_t[1001]) {-1}, n);
		ml_write_bytes(w, ml_format(ctx, "bytes %zu", n), values, n);
	}
	bytes = ml_writer_finish(w, &size);
	CHECK(ml_document_check(bytes, size) == NULL);
	CHECK(json_gives_back(ctx, bytes, size));
	json = ml_node_to_json(ctx, ml_node_find(ml_document_root(bytes), "f64 256"), false);
	CHECK(strncmp(json, "{\"$f64\": [1.0, 0.5, ", 20) == 0);
	json = ml_node_to_json(ctx, ml_node_find(ml_document_root(bytes), "f64 257"), false);
	CHECK(strncmp(json, "{\"$f64\": \"AAAAAAAA8D8", 21) == 0);

	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$f64\": \"AAAAAAAA8D8=\"}}"), "{\"a\": {\"$f64\": [1.0]}}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$f64\": \"\"}}"), "{\"a\": {\"$f64\": []}}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$f64\": [1, -3, 0.5e0, \"NaN\"]}}"),
				 "{\"a\": {\"$f64\": [1.0, -3.0, 0.5, \"NaN\"]}}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$bytes\": [97, 98, 99]}}"), "{\"a\": {\"$bytes\": \"YWJj\"}}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$bytes\": \"YQ==\"}}"), "{\"a\": {\"$bytes\": \"YQ==\"}}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": {\"$i32\": \"/////w==\"}}"), "{\"a\": {\"$i32\": [-1]}}") == 0);
}

/* A long list of numbers and long base64 mean the same. */
static void
test_json_long_arrays(MlContext *ctx)
{
	enum
	{
		COUNT = 300000
	};
	double	   *values = ml_alloc_array(ctx, COUNT, sizeof(double));
	char	   *json = ml_alloc(ctx, COUNT * 30 + 100);
	char	   *end = json;
	MlWriter   *w = ml_writer_create(ctx);
	MlRandom	random;
	size_t		size;
	size_t		again_size;
	void	   *bytes;
	void	   *again;

	ml_random_seed(&random, 4);
	end += sprintf(end, "{\"a\": {\"$f64\": [");
	for (int i = 0; i < COUNT; i++)
	{
		values[i] = ml_random_double(&random) - 0.5;
		end += sprintf(end, "%s%.17g", i == 0 ? "" : ",", values[i]);
	}
	end += sprintf(end, "]}}");
	ml_write_f64s(w, "a", values, COUNT);
	bytes = ml_writer_finish(w, &size);
	CHECK(json_gives_back(ctx, bytes, size));
	again = ml_document_from_json(ctx, json, (size_t) (end - json), &again_size);
	CHECK(again_size == size && memcmp(again, bytes, size) == 0);
}

/* For readers: no markers, no names for what JSON has no number for. */
static void
test_json_plain(MlContext *ctx)
{
	MlWriter   *w = ml_writer_create(ctx);
	double		values[300] = {NAN, 1.5};
	size_t		size;
	char	   *json;

	ml_write_double(w, "$nan", NAN);
	ml_write_f64s(w, "a", values, 3);
	ml_write_bytes(w, "b", "abc", 3);
	json = ml_node_to_json(ctx, ml_document_root(ml_writer_finish(w, &size)), true);
	CHECK(strcmp(json, "{\"$nan\": null, \"a\": [null, 1.5, 0.0], \"b\": \"YWJj\"}") == 0);
	w = ml_writer_create(ctx);
	ml_write_f64s(w, "a", values, 300);
	json = ml_node_to_json(ctx, ml_document_root(ml_writer_finish(w, &size)), true);
	CHECK(strncmp(json, "{\"a\": [null, 1.5, 0.0, 0.0, ", 28) == 0);
}

/* The code that an error with this detail must have: text that is no JSON is told from JSON that is no model. */
static MlErrorCode
json_error_code(const char *detail)
{
	static const char *const sound[] = {"an integer does not fit", "a NUL character", "nest"};

	if (strncmp(detail, "At byte ", 8) != 0)
		return ML_ERROR_CORRUPTED;
	for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++)
	{
		if (strstr(detail, sound[i]) != NULL)
			return ML_ERROR_CORRUPTED;
	}
	return ML_ERROR_SYNTAX;
}

/* The detail of the error that a JSON text gives; NULL when it gives none. */
static const char *
json_error(MlContext *ctx, const char *json, size_t length)
{
	jmp_buf    *outer = unit_entry;
	jmp_buf		entry;
	size_t		size;

	if (setjmp(entry) == 0)
	{
		unit_entry = &entry;
		ml_document_from_json(ctx, json, length, &size);
		unit_entry = outer;
		return NULL;
	}
	unit_entry = outer;
	CHECK(unit_error.code == json_error_code(unit_error.detail));
	return unit_error.detail;
}

/* Text that is not to be taken, and the place that the error names. */
static void
test_json_errors(MlContext *ctx)
{
	static const struct
	{
		const char *json;
		const char *detail;
	}			wrong[] =
	{
		{"", "At byte 1: the text ends too early."},
		{"  ", "At byte 3: the text ends too early."},
		{"{\"a\": 1", "At byte 8: the text ends too early."},
		{"{\"a\": \"x", "At byte 7: a string does not end."},
		{"[]", "At the root: an object is expected."},
		{"1", "At the root: an object is expected."},
		{"-0.5e1", "At the root: an object is expected."},
		{"null", "At the root: an object is expected."},
		{"null ", "At the root: an object is expected."},
		{"1.5 ", "At the root: an object is expected."},
		{"{\"$f64\": [1.0]}", "At the root: an object is expected, no typed array."},
		{"{} {}", "At byte 4: "},
		{"{} x", "At byte 4: this is not JSON."},
		{"{\"a\": 1,}", "At byte 9: "},
		{"{\"a\": [1,]}", "At byte 10: "},
		{"{\"a\" 1}", "At byte 6: "},
		{"{a: 1}", "At byte 2: this is not JSON."},
		{"{'a': 1}", "At byte 2: this is not JSON."},
		{"{\"a\": 'x'}", "At byte 7: this is not JSON."},
		{"{\"a\": /* x */ 1}", "At byte 7: this is not JSON."},
		{"{\"a\": NaN}", "At byte 7: this is not JSON."},
		{"{\"a\": -Infinity}", "At byte 7: a number is malformed."},
		{"{\"a\": True}", "At byte 7: this is not JSON."},
		{"{\"a\": 01}", "At byte 7: a number is malformed."},
		{"{\"a\": -}", "At byte 7: a number is malformed."},
		{"{\"a\": 00.5}", "At byte 7: a number is malformed."},
		{"{\"a\": 1.}", "At byte 7: a number is malformed."},
		{"{\"a\": .5}", "At byte 7: this is not JSON."},
		{"{\"a\": +1}", "At byte 7: this is not JSON."},
		{"{\"a\": 1e}", "At byte 7: a number is malformed."},
		{"{\"a\": 1.5.5}", "At byte 10: this is not JSON."},
		{"{\"a\": 1e400}", "At a: a number is too large."},
		{"{\"a\": 9223372036854775808}", "At byte 7: an integer does not fit into 64 bits."},
		{"{\"a\": -9223372036854775809}", "At byte 7: an integer does not fit into 64 bits."},
		{"{\"a\": 100000000000000000000000000000}", "At byte 7: an integer does not fit into 64 bits."},
		{"{\"a\": \"x\ty\"}", "At byte 9: a string contains a control character."},
		{"{\"a\": \"\\u0000\"}", "At byte 8: a string contains a NUL character."},
		{"{\"\\u0000b\": 1}", "At byte 3: a string contains a NUL character."},
		{"{\"a\": \"\\x\"}", "At byte 8: a string has an escape that JSON does not know."},
		{"{\"a\": \"\\u00g0\"}", "At byte 8: a string has an escape that JSON does not know."},
		{"{\"a\": \"\\ud800\"}", "At byte 8: a string has half of a surrogate pair."},
		{"{\"a\": \"\\ud800\\ud800\"}", "At byte 8: a string has half of a surrogate pair."},
		{"{\"a\": \"\\udc00\"}", "At byte 8: a string has half of a surrogate pair."},
		{"{\"a\": 1, \"a\": 2}", "At the root: the object has a key twice."},
		{"{\"b\": [{}, {\"a\": 1, \"\\u0061\": {\"x\": 1}, \"c\": {\"d\": 1}}]}", "At b[1]: the object has a key twice."},
		{"{\"b\": {\"$f64\": [1], \"$f64\": [2]}}", "At b: the object has a key twice."},
		{"{\"b\": {\"$x\": 1}}", "At b.$x: a key that begins with one $ is no key of a model; write $$."},
		{"{\"p\": {\"coef\": {\"$f64\": [1, 2, 3, \"x\"]}}}", "At p.coef[3]: a number is expected."},
		{"{\"p\": {\"coef\": {\"$f64\": [1, null]}}}", "At p.coef[1]: a number is expected."},
		{"{\"p\": {\"coef\": {\"$f64\": [[1]]}}}", "At p.coef[0]: a number is expected."},
		{"{\"a\": {\"$f64\": [9007199254740993]}}", "At a[0]: an integer has too many digits for a floating point number."},
		{"{\"a\": {\"$f64\": [9223372036854775807]}}", "At a[0]: an integer has too many digits for a floating point number."},
		{"{\"a\": {\"$f32\": [16777217]}}", "At a[0]: an integer has too many digits for a floating point number."},
		{"{\"a\": {\"$f32\": [1e39]}}", "At a[0]: a number is too large."},
		{"{\"a\": {\"$f64\": [-1e999]}}", "At a[0]: a number is too large."},
		{"{\"a\": {\"$i64\": [1.0]}}", "At a[0]: an integer is expected."},
		{"{\"a\": [{\"$i32\": [0, 2147483648]}]}", "At a[0][1]: an integer is out of range."},
		{"{\"a\": {\"$bytes\": [-1]}}", "At a[0]: an integer is out of range."},
		{"{\"a\": {\"$bytes\": [256]}}", "At a[0]: an integer is out of range."},
		{"{\"a\": {\"$f32\": \"NaN\"}}", "At a: the length of base64 is not a multiple of 4."},
		{"{\"a\": {\"$f64\": \"YWJj\"}}", "At a: base64 is not a whole number of elements."},
		{"{\"a\": {\"$f64\": 1.0}}", "At a: a list of numbers or base64 is expected."},
		{"{\"a\": {\"$f64\": null}}", "At a: a list of numbers or base64 is expected."},
		{"{\"a\": {\"$bytes\": \"YW=j\"}}", "At a: base64 has a character that it does not know."},
		{"{\"a\": {\"$bytes\": \"YWJ-\"}}", "At a: base64 has a character that it does not know."},
		{"{\"a\": {\"$bytes\": \"Y===\"}}", "At a: base64 has a character that it does not know."},
		{"{\"a\": {\"$bytes\": \"====\"}}", "At a: base64 has a character that it does not know."},
		{"{\"a\": {\"$bytes\": \"YR==\"}}", "At a: base64 ends in stray bits."},
		{"{\"a\": {\"$bytes\": \"YWK=\"}}", "At a: base64 ends in stray bits."},
		{"\xef\xbb\xbf{}", "At byte 1: this is not JSON."},
		{"}", "At byte 1: "},
		{"{\"a\"}", "At byte 5: "},
		{"{\"a\":}", "At byte 6: "},
		{"{:}", "At byte 2: "},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
	{
		const char *detail = json_error(ctx, wrong[i].json, strlen(wrong[i].json));

		unit_result(detail != NULL && strncmp(detail, wrong[i].detail, strlen(wrong[i].detail)) == 0,
					__FILE__, __LINE__, "%s gives %s", wrong[i].json, detail == NULL ? "no error" : detail);
	}
	CHECK(strncmp(json_error(ctx, "{}\0{}", 5), "At byte 3: ", 11) == 0);
	CHECK(strncmp(json_error(ctx, "{\"a\0b\": 1}", 10), "At byte 4: ", 11) == 0);
	CHECK(strcmp(rewritten(ctx, " \t\r\n{ \"a\" : [ ] } \n"), "{\"a\": []}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": -9223372036854775808, \"b\": 9223372036854775807, \"c\": -0}"),
				 "{\"a\": -9223372036854775808, \"b\": 9223372036854775807, \"c\": 0}") == 0);
	CHECK(strcmp(rewritten(ctx, "{\"a\": 1E5, \"b\": 1e-400, \"c\": -0.0}"), "{\"a\": 100000.0, \"b\": 0.0, \"c\": -0.0}") == 0);
}

/* A cancel at any moment stops reading; what json-c holds then goes with the context. */
static void
test_json_cancel(MlContext *ctx)
{
	enum
	{
		COUNT = 400000
	};
	char	   *json = ml_alloc(ctx, COUNT * 8 + 100);
	char	   *end = json + sprintf(json, "{\"a\": {\"$f64\": [0.5");
	long		checks = 0;
	size_t		size;

	for (int i = 1; i < COUNT; i++)
		end += sprintf(end, ", %d.5", i % 1000);
	end += sprintf(end, "]}, \"b\": [[], [], {}]}");
	for (checks = 0; checks < 20; checks++)
	{
		unit_cancel_after(ctx, checks);
		CHECK_RAISES(ctx, ML_ERROR_INTERNAL, ml_document_from_json(ctx, json, (size_t) (end - json), &size));
		CHECK(strcmp(unit_error.message, "canceled") == 0);
	}
	unit_cancel_after(ctx, -1);
	CHECK(json_error(ctx, json, (size_t) (end - json)) == NULL);
}

/* JSON cut anywhere is an error, and one with bytes changed is read exactly or not at all. */
static void
test_json_mutations(MlContext *ctx)
{
	size_t		size;
	const char *json = ml_node_to_json(ctx, ml_document_root(sample_document(ctx, &size)), false);
	size_t		length = strlen(json);
	MlRandom	random;
	size_t		taken = 0;
	size_t		lost = 0;

	for (size_t cut = 0; cut < length; cut++)
	{
		char	   *copy = exact_copy(json, cut);

		CHECK(json_error(ctx, copy, cut) != NULL);
		free(copy);
	}
	ml_random_seed(&random, 5);
	for (int turn = 0; turn < 5000; turn++)
	{
		static const char likely[] = "{}[]:,\"\\$0159-.eEu ntf\x01\xff";
		char	   *copy = exact_copy(json, length);

		for (uint64_t changes = 1 + ml_random_below(&random, 3); changes > 0; changes--)
			copy[ml_random_below(&random, length)] = likely[ml_random_below(&random, sizeof likely)];
		if (json_error(ctx, copy, length) == NULL)
		{
			void	   *bytes = ml_document_from_json(ctx, copy, length, &size);

			taken++;
			lost += ml_document_check(bytes, size) != NULL || !json_gives_back(ctx, bytes, size);
		}
		free(copy);
	}
	CHECK(taken > 100);
	CHECK(lost == 0);
}

UNIT_MAIN(test_hash_is_fixed,
		  test_hash_avalanche,
		  test_hash_collisions,
		  test_every_type,
		  test_alignment,
		  test_many_members,
		  test_copy_node,
		  test_one_nan,
		  test_writer_misuse,
		  test_needing,
		  test_document_bits,
		  test_document_truncation,
		  test_depth,
		  test_document_hostile,
		  test_document_long_string,
		  test_container,
		  test_container_depth,
		  test_container_bytes,
		  test_container_truncation,
		  test_container_mutations,
		  test_container_header,
		  test_container_text,
		  test_json_numbers,
		  test_json_double_forms,
		  test_json_strings,
		  test_json_dollars,
		  test_json_arrays,
		  test_json_long_arrays,
		  test_json_plain,
		  test_json_errors,
		  test_json_cancel,
		  test_json_mutations)
