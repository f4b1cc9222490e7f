/*
 * libFuzzer entry: bytes as the JSON of a document, and as the text form of a model.
 *
 * A document that is read must pass its check; its JSON must give the same bytes again, and the
 * same JSON again.  A model that is read must pass the container's check; when it opens, it is used.
 *
 *   clang -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *       -DML_NO_MULTIVERSION -Isrc/engine -Itest/fuzz test/fuzz/fuzz_json.c $(find src/engine -name '*.c') \
 *       -ljson-c -llapack -lblas -lpthread -lm -o fuzz_json
 *   mkdir -p corpus && ./make_seeds corpus && ./fuzz_json -max_len=16384 -dict=test/fuzz/json.dict corpus/json
 */
#include "fuzz.h"

#include "model/container.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a document. */
static void
try_document(MlContext *ctx, const char *json, size_t length)
{
	size_t		size;
	size_t		again_size;
	void	   *document = ml_document_from_json(ctx, json, length, &size);
	void	   *again;
	char	   *text;
	const char *reason = ml_document_check(document, size);

	if (reason != NULL)
		fuzz_fail(reason);
	text = ml_node_to_json(ctx, ml_document_root(document), false);
	again = ml_document_from_json(ctx, text, strlen(text), &again_size);
	if (again_size != size || memcmp(document, again, size) != 0)
		fuzz_fail("the JSON of a document gives other bytes");
	if (strcmp(text, ml_node_to_json(ctx, ml_document_root(again), false)) != 0)
		fuzz_fail("the JSON of a document gives other JSON");
	(void) strlen(ml_node_to_json(ctx, ml_document_root(document), true));
}

/* The bytes as a model. */
static void
try_model(MlContext *ctx, const char *json, size_t length)
{
	size_t		size;
	void	   *bytes = ml_container_from_json(ctx, json, length, &size);
	const char *reason = ml_container_check(bytes, size);

	if (reason != NULL)
		fuzz_fail(reason);
	fuzz_use(ctx, ml_model_open(ctx, bytes, size));
}

/* One of the two, in a context of its own. */
static void
try_json(const char *json, size_t length, void (*attempt) (MlContext *ctx, const char *json, size_t length))
{
	static Fuzz fuzz;

	fuzz_begin(&fuzz);
	if (setjmp(fuzz.entry) == 0)
		attempt(&fuzz.ctx, json, length);
	fuzz_end(&fuzz);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* just the bytes, no NUL: what reads past the length is seen */
	char	   *json = malloc(size > 0 ? size : 1);

	if (json == NULL)
		fuzz_fail("out of memory");
	if (size > 0)
		memcpy(json, data, size);
	try_json(json, size, try_document);
	try_json(json, size, try_model);
	free(json);
	return 0;
}
