/*
 * libFuzzer entry: bytes as a model.
 *
 * The bytes are tried twice: as they are, and with size and checksum made right, since
 * a checksum would else stop every mutation before the checks that matter.  A model that
 * opens is scored, described, and taken through its text form, which must give the same bytes.
 *
 *   clang -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *       -DML_NO_MULTIVERSION -Isrc/engine -Itest/fuzz test/fuzz/fuzz_model.c $(find src/engine -name '*.c') \
 *       -ljson-c -llapack -lblas -lpthread -lm -o fuzz_model
 *   test/fuzz/make_seeds (see make_seeds.c) writes a first corpus:
 *   mkdir -p corpus && ./make_seeds corpus && ./fuzz_model -max_len=65536 corpus/model
 */
#include "fuzz.h"

#include "base/hash.h"
#include "model/container.h"

/* Where the header has the size and the checksum (container.h), and how long it is. */
#define SIZE_AT 16
#define CHECKSUM_AT 24
#define HEADER_SIZE 40

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* To JSON and back must give the same bytes. */
static void
round_trip(MlContext *ctx, const void *bytes, size_t size)
{
	char	   *json = ml_container_to_json(ctx, bytes);
	size_t		again_size;
	void	   *again = ml_container_from_json(ctx, json, strlen(json), &again_size);

	if (again_size != size || memcmp(again, bytes, size) != 0)
		fuzz_fail("the text form gives other bytes");
}

/* Open one block of bytes, which is exactly as long as it says: a read past it is seen. */
static void
try_bytes(const void *bytes, size_t size)
{
	static Fuzz fuzz;
	static const char *reason;

	fuzz_begin(&fuzz);
	reason = ml_container_check(bytes, size);
	if (setjmp(fuzz.entry) == 0)
	{
		const MlModel *model = ml_model_open(&fuzz.ctx, bytes, size);

		if (reason != NULL)
			fuzz_fail("a model opens whose check fails");
		fuzz_use(&fuzz.ctx, model);
		round_trip(&fuzz.ctx, bytes, size);
	}
	fuzz_end(&fuzz);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *bytes = malloc(size > 0 ? size : 1);
	uint64_t	total = size;
	uint64_t	checksum = 0;

	if (bytes == NULL)
		fuzz_fail("out of memory");
	if (size > 0)
		memcpy(bytes, data, size);
	try_bytes(bytes, size);
	if (size >= HEADER_SIZE)
	{
		memcpy(bytes + SIZE_AT, &total, sizeof total);
		memcpy(bytes + CHECKSUM_AT, &checksum, sizeof checksum);
		checksum = ml_hash_bytes(bytes + HEADER_SIZE, size - HEADER_SIZE, ml_hash_bytes(bytes, HEADER_SIZE, 0));
		memcpy(bytes + CHECKSUM_AT, &checksum, sizeof checksum);
		try_bytes(bytes, size);
	}
	free(bytes);
	return 0;
}
