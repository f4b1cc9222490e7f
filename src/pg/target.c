/*
 * The target and the group column of a source whose rows a model is held against.
 */
#include "postgres.h"

#include "pg/target.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "base/hash.h"
#include "pg/features.h"

/* Refuse a target that is no finite number. */
static void
error_target_number(const TargetReader *target, const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("target column \"%s\" must hold finite numbers, not %s", target->model->signature->target, given)));
}

/* The target of a regression. */
static double
target_number(TargetReader *target, Datum value)
{
	double		number;

	if (target->reader.kind == ML_KIND_NUMBER)
		number = value_number(&target->reader, value);
	else
	{
		size_t		length;
		const char *bytes = value_category(&target->reader, value, &length);

		if (!text_number(bytes, length, &number))
			error_target_number(target, psprintf("\"%.*s\"", pg_mbcliplen(bytes, (int) length, SHOWN_BYTES), bytes));
	}
	if (isnan(number))
		error_target_number(target, "NaN");
	if (isinf(number))
		error_target_number(target, "infinity");
	return number;
}

/* The class of a target, -1 when the model does not know it. */
static double
target_class(TargetReader *target, Datum value)
{
	const MlSignature *signature = target->model->signature;
	const char *bytes;
	size_t		length;

	if (target->reader.kind == ML_KIND_NUMBER && signature->target_kind != ML_TARGET_TEXT)
	{
		double		number = value_number(&target->reader, value);

		for (int k = 0; k < signature->nclasses; k++)
		{
			if (signature->class_values[k] == number)
				return k;
		}
		return -1.0;
	}
	if (target->reader.kind == ML_KIND_NUMBER)
		bytes = number_category(&target->reader, value, &length);
	else
		bytes = value_category(&target->reader, value, &length);
	return features_find_class(target->model, bytes, length);
}

/* The number or class of a value. */
double
target_read(TargetReader *target, Datum value)
{
	return target->classes ? target_class(target, value) : target_number(target, value);
}

/* Set up for the target column. */
void
target_reader_init(TargetReader *target, const MlModel *model, const Source *source, int place, int *column)
{
	const MlSignature *signature = model->signature;

	target->model = model;
	*column = source_need(source, signature->target, "target column");
	source_check_unique(source, *column, "target column");
	target->column = place;
	target->classes = signature->nclasses > 0;
	if (!value_reader_init(&target->reader, source->columns[*column].type, CurrentMemoryContext) ||
		target->reader.kind == ML_KIND_VECTOR)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target column \"%s\" must be %s, not of type %s", signature->target,
						target->classes ? "a class" : "a number", source->columns[*column].type_name)));
}

/* Set up for the column of groups. */
void
group_reader_init(GroupReader *group, const MlModel *model, const Source *source, int place, int *column)
{
	const char *name = ml_params_column(model->algorithm, model->params, ML_ROLE_GROUP, NULL);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model is corrupted: a ranking without a group column")));
	*column = source_need(source, name, "group column");
	source_check_unique(source, *column, "group column");
	group->column = place;
	if (!value_reader_init(&group->reader, source->columns[*column].type, CurrentMemoryContext) ||
		group->reader.kind == ML_KIND_VECTOR)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("group column \"%s\" has type %s", name, source->columns[*column].type_name)));
}

/* A hash of the group that a row is of. */
uint64
group_read(GroupReader *group, const TupleTableSlot *slot)
{
	Datum		value = slot->tts_values[group->column];
	const char *bytes;
	size_t		length;

	if (slot->tts_isnull[group->column])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the group column of the model contains NULL"),
				 errhint("Filter these rows out.")));
	if (group->reader.kind == ML_KIND_NUMBER)
		return ml_mix64(ml_number_bits(value_number(&group->reader, value)));
	bytes = value_category(&group->reader, value, &length);
	return ml_hash_bytes(bytes, length, 0);
}
