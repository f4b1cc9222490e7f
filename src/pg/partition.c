/*
 * ml_split: the part of a table that a row belongs to, by the hash of its key.
 *
 * Immutable for good: the hash is the engine's own, not one that the server may change between versions, and
 * a row's part depends on no other row.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/uuid.h"

#include "base/hash.h"
#include "pg/compat.h"

PG_FUNCTION_INFO_V1(ml_split_bigint);
PG_FUNCTION_INFO_V1(ml_split_text);
PG_FUNCTION_INFO_V1(ml_split_uuid);

#define SUM_TOLERANCE 1e-9

/* The fractions of the parts: each between 0 and 1, together 1. */
static const double *
check_fractions(ArrayType *array, int *count)
{
	const double *fractions = (const double *) ARR_DATA_PTR(array);
	double		sum = 0;

	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array) || *count < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fractions must be an array of two or more numbers without NULL"),
				 errhint("For example '{0.8, 0.2}'.")));
	for (int i = 0; i < *count; i++)
	{
		if (!(fractions[i] > 0 && fractions[i] < 1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("fraction %d is %g", i + 1, fractions[i]),
					 errdetail("Each must be greater than 0 and less than 1.")));
		sum += fractions[i];
	}
	if (fabs(sum - 1) > SUM_TOLERANCE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fractions add up to %g, not to 1", sum)));
	return fractions;
}

/* The part, from 1, of a row whose key has this hash. */
static int32
part_of(uint64 hash, int64 seed, ArrayType *array)
{
	int			count;
	const double *fractions = check_fractions(array, &count);
	double		place = (double) (ml_mix64(hash ^ ml_mix64((uint64) seed)) >> 11) * 0x1p-53;
	int			part = 0;

	for (double end = fractions[0]; part + 1 < count && place >= end; end += fractions[part])
		part++;
	return part + 1;
}

/* By a number. */
Datum
ml_split_bigint(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(part_of(ml_mix64((uint64) PG_GETARG_INT64(0)), PG_GETARG_INT64(1), PG_GETARG_ARRAYTYPE_P(2)));
}

/* By the bytes of a text. */
Datum
ml_split_text(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT32(part_of(ml_hash_bytes(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), 0), PG_GETARG_INT64(1),
							PG_GETARG_ARRAYTYPE_P(2)));
}

/* By the bytes of a UUID. */
Datum
ml_split_uuid(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(part_of(ml_hash_bytes(PG_GETARG_UUID_P(0)->data, UUID_LEN, 0), PG_GETARG_INT64(1),
							PG_GETARG_ARRAYTYPE_P(2)));
}
