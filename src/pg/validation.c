/*
 * How ml_train and its kin hold rows out: the argument validation, checked whole before any row is read.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/features.h"
#include "pg/host.h"
#include "pg/train.h"

#define DEFAULT_TEST_SIZE 0.2
#define DEFAULT_SEED 42
#define MAX_SEED 9007199254740992.0	/* 2^53: every integer up to it is a double */
#define SEED_WANTED "an integer from 0 to 2^53"
#define TEST_SIZE_WANTED "a number greater than 0 and less than 1, the share of rows to hold out, or their number, an integer from 2 on"
#define DEFAULT_FOLDS 5
#define MAX_FOLDS 1000
#define FOLDS_WANTED "an integer from 2 to 1000"
#define MAX_REPEATS 100
#define REPEATS_WANTED "an integer from 1 to 100"
#define SAMPLING_RATIO_WANTED "a number greater than 0 and at most 1, the rows of a smaller class to those of the largest"
#define COLUMN_WANTED "the name of a column"

/* In the order of MlSplitKind. */
static const char *const split_names[] = {"stratified", "random", "last", "column", "group", "none"};

/* In the order of MlSampling. */
static const char *const sampling_names[] = {"none", "under", "over", "smote"};

StaticAssertDecl(lengthof(sampling_names) == ML_SAMPLING_SMOTE + 1, "one name per sampling");
StaticAssertDecl(lengthof(split_names) == ML_SPLIT_NONE + 1, "one name per split");

/* Error: a member of validation has a value of the wrong type or size. */
static void
pg_attribute_noreturn()
refuse_validation(const char *key, JsonbValue *value, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\" of validation: %s", key,
					jsonb_cstring(JsonbPGetDatum(JsonbValueToJsonb(value)))),
			 errhint("It must be %s.", wanted)));
}

/* The member of that name; NULL when absent. */
static JsonbValue *
validation_member(Jsonb *object, const char *key)
{
	return getKeyJsonValueFromContainer(&object->root, key, (int) strlen(key), NULL);
}

/* A member that is a string; NULL when absent. */
static char *
validation_string(Jsonb *object, const char *key, const char *wanted)
{
	JsonbValue *value = validation_member(object, key);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		refuse_validation(key, value, wanted);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* A member that is a number from min to max; the default when absent. */
static double
validation_number(Jsonb *object, const char *key, double when_absent, double min, double max, const char *wanted)
{
	JsonbValue *value = validation_member(object, key);
	double		number;

	if (value == NULL)
		return when_absent;
	if (value->type != jbvNumeric)
		refuse_validation(key, value, wanted);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (!(number >= min && number <= max))
		refuse_validation(key, value, wanted);
	return number;
}

/* Error unless validation may have a member of that name. */
static void
check_validation_key(MlContext *ctx, const char *key)
{
	static const char *const keys[] = {
		"split", "test_size", "seed", "order_by", "after", "column", "group_by", "folds", "repeats", "threshold",
		"costs", "positive", "sampling", "sampling_ratio"
	};

	for (size_t i = 0; i < lengthof(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("validation has no key \"%s\"", key),
			 errhint("%s", ml_candidates_hint(ctx, "key", key, keys, lengthof(keys)))));
}

/* Error unless validation is an object whose members all have a meaning. */
static void
check_validation_keys(MlContext *ctx, Jsonb *object)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("validation must be a JSON object"),
				 errhint("For example {\"test_size\": 0.25}.")));
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_KEY)
			check_validation_key(ctx, pnstrdup(value.val.string.val, value.val.string.len));
}

/* Error when a member is given that the kind of split makes no use of. */
static void
refuse_unused(Jsonb *object, const char *key, MlSplitKind kind)
{
	if (validation_member(object, key) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" of validation does not apply to \"split\": \"%s\"", key, split_names[kind])));
}

/* Error when members are given that the kind of split makes no use of. */
static void
refuse_all_unused(Jsonb *object, MlSplitKind kind)
{
	bool		by_chance = kind == ML_SPLIT_STRATIFIED || kind == ML_SPLIT_RANDOM || kind == ML_SPLIT_GROUP;

	if (kind != ML_SPLIT_LAST)
	{
		refuse_unused(object, "order_by", kind);
		refuse_unused(object, "after", kind);
	}
	if (kind != ML_SPLIT_COLUMN)
		refuse_unused(object, "column", kind);
	if (kind != ML_SPLIT_GROUP)
		refuse_unused(object, "group_by", kind);
	if (kind == ML_SPLIT_COLUMN || kind == ML_SPLIT_NONE)
	{
		refuse_unused(object, "test_size", kind);
		refuse_unused(object, "folds", kind);
	}
	if (kind != ML_SPLIT_STRATIFIED && kind != ML_SPLIT_RANDOM)
		refuse_unused(object, "repeats", kind);
	if (!by_chance)
		refuse_unused(object, "seed", kind);
}

/* Error when two members that contradict each other are given. */
static void
refuse_both(Jsonb *object, const char *one, const char *other)
{
	if (validation_member(object, one) != NULL && validation_member(object, other) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" and \"%s\" of validation contradict each other", one, other),
				 errdetail("Only one of them can be meant.")));
}

/* Error: the kind of split needs the name of a column. */
static void
need_column(MlSplitKind kind, const char *key, const char *column, const char *hint)
{
	if (column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"split\": \"%s\" of validation needs \"%s\"", split_names[kind], key),
				 errhint("%s", hint)));
}

/* The kind of split: as said, else what the column given implies. */
static MlSplitKind
validation_split(MlContext *ctx, Jsonb *object, TrainArgs *args, MlSplitKind when_unsaid)
{
	const char *split = validation_string(object, "split", "the name of a split");
	char	   *order_by = validation_string(object, "order_by", COLUMN_WANTED);
	char	   *column = validation_string(object, "column", COLUMN_WANTED);
	char	   *group_by = validation_string(object, "group_by", COLUMN_WANTED);
	MlSplitKind kind = column ? ML_SPLIT_COLUMN : order_by ? ML_SPLIT_LAST : group_by ? ML_SPLIT_GROUP : when_unsaid;

	if (split != NULL)
		kind = train_choose(ctx, "split", split, split_names, lengthof(split_names));
	refuse_all_unused(object, kind);
	refuse_both(object, "after", "test_size");
	refuse_both(object, "folds", "test_size");
	refuse_both(object, "folds", "after");
	args->split_column = NULL;
	if (kind == ML_SPLIT_LAST)
		need_column(kind, "order_by", args->split_column = order_by,
					"Name the column that orders the rows, such as a time.");
	if (kind == ML_SPLIT_COLUMN)
		need_column(kind, "column", args->split_column = column,
					"Name a boolean column that is true in the rows to hold out.");
	if (kind == ML_SPLIT_GROUP)
		need_column(kind, "group_by", args->split_column = group_by,
					"Name the column whose rows of one value stay on one side, such as a customer.");
	return kind;
}

/* A member that is an integer from min to max; the default when absent. */
static int64
validation_integer(Jsonb *object, const char *key, int64 when_absent, double min, double max, const char *wanted)
{
	double		number = validation_number(object, key, (double) when_absent, min, max, wanted);

	if (number != floor(number))
		refuse_validation(key, validation_member(object, key), wanted);
	return (int64) number;
}

/* The share of the rows to hold out, or from 2 on their number. */
static double
validation_test_size(Jsonb *object)
{
	double		size = validation_number(object, "test_size", DEFAULT_TEST_SIZE, DBL_MIN, PG_INT32_MAX,
										 TEST_SIZE_WANTED);

	if (size >= 1 && (size < 2 || size != floor(size)))
		refuse_validation("test_size", validation_member(object, "test_size"), TEST_SIZE_WANTED);
	return size;
}

/* From which value on rows are held out, as text for the column's type; NULL when absent. */
static char *
validation_after(Jsonb *object)
{
	JsonbValue *value = validation_member(object, "after");

	if (value == NULL)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type != jbvNumeric)
		refuse_validation("after", value, "a value of the column order_by");
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
}

/* How the training rows of unequal classes are sampled. */
static void
read_sampling(MlContext *ctx, Jsonb *object, TrainArgs *args)
{
	const char *name = validation_string(object, "sampling", "\"under\", \"over\" or \"smote\"");

	args->sampling = name == NULL ? ML_SAMPLING_NONE :
		(MlSampling) train_choose(ctx, "sampling", name, sampling_names, lengthof(sampling_names));
	args->sampling_ratio = validation_number(object, "sampling_ratio", 1, DBL_MIN, 1, SAMPLING_RATIO_WANTED);
	if (args->sampling == ML_SAMPLING_NONE && validation_member(object, "sampling_ratio") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"sampling_ratio\" of validation needs \"sampling\"")));
}

/* The label of the class that matters, which a JSON number or boolean may stand for; NULL when absent. */
static char *
validation_positive(Jsonb *object)
{
	JsonbValue *value = validation_member(object, "positive");
	char	   *label = value == NULL ? NULL : jsonb_scalar_text(value);

	if (value != NULL && label == NULL)
		refuse_validation("positive", value, "the label of a class");
	return label;
}

/* Which class is to be predicted, as JSON for the engine; NULL = the most probable one. */
static char *
validation_decision(Jsonb *object)
{
	static const char *const keys[] = {"threshold", "costs"};
	StringInfoData json;

	refuse_both(object, "threshold", "costs");
	for (size_t i = 0; i < lengthof(keys); i++)
	{
		JsonbValue *value = validation_member(object, keys[i]);

		if (value == NULL)
			continue;
		initStringInfo(&json);
		appendStringInfo(&json, "{\"%s\": %s}", keys[i], jsonb_cstring(JsonbPGetDatum(JsonbValueToJsonb(value))));
		return json.data;
	}
	return NULL;
}

/* Error when a member is given that says something of a target that there is not. */
static void
refuse_without_target(Jsonb *object)
{
	static const char *const keys[] = {"folds", "threshold", "costs", "positive", "sampling"};

	for (size_t i = 0; i < lengthof(keys); i++)
		if (validation_member(object, keys[i]) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" of validation needs a target", keys[i]),
					 errdetail("Without a target there are no classes, and nothing to measure on rows held out.")));
}

/* How to hold rows out, from the JSON of the argument. */
void
train_read_validation(MlContext *ctx, Jsonb *object, TrainArgs *args)
{
	MlSplit    *split = &args->split;

	check_validation_keys(ctx, object);
	/* without a target there is nothing to measure on rows held out */
	split->kind = validation_split(ctx, object, args, args->target != NULL ? ML_SPLIT_STRATIFIED : ML_SPLIT_NONE);
	split->test_size = validation_test_size(object);
	split->seed = (uint64) validation_integer(object, "seed", DEFAULT_SEED, 0, MAX_SEED, SEED_WANTED);
	split->folds = (int) validation_integer(object, "folds", 0, 2, MAX_FOLDS, FOLDS_WANTED);
	split->repeats = (int) validation_integer(object, "repeats", 1, 1, MAX_REPEATS, REPEATS_WANTED);
	args->after = validation_after(object);
	args->decision = validation_decision(object);
	args->positive = validation_positive(object);
	read_sampling(ctx, object, args);
	split->has_after = args->after != NULL;
	if (split->folds == 0 && split->repeats > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"repeats\" of validation needs \"folds\""),
				 errhint("A cross-validation is repeated, for example {\"folds\": 5, \"repeats\": 3}.")));
	if (args->target == NULL)
		refuse_without_target(object);
}

/* Make sure of folds, by default DEFAULT_FOLDS. */
void
train_need_folds(Jsonb *object, TrainArgs *args)
{
	static const char *const others[] = {"test_size", "after"};

	for (size_t i = 0; i < lengthof(others); i++)
		if (object != NULL && validation_member(object, others[i]) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" of validation does not apply to a cross-validation", others[i]),
					 errhint("Say how many \"folds\" there are to be.")));
	if (args->split.kind == ML_SPLIT_COLUMN || args->split.kind == ML_SPLIT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"split\": \"%s\" of validation has no folds", split_names[args->split.kind]),
				 errhint("Use \"stratified\", \"random\", \"group\" or \"last\".")));
	if (args->split.folds == 0)
		args->split.folds = DEFAULT_FOLDS;
}

/* What is stored about it: the defaults filled in. */
char *
train_validation_json(const TrainArgs *args)
{
	static const char *const column_keys[] = {NULL, NULL, "order_by", "column", "group_by", NULL};
	const MlSplit *split = &args->split;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"split\": \"%s\"", split_names[split->kind]);
	if (split->folds > 0)
		appendStringInfo(&json, ", \"folds\": %d", split->folds);
	else if (split->kind != ML_SPLIT_COLUMN && split->kind != ML_SPLIT_NONE && !split->has_after)
		appendStringInfo(&json, ", \"test_size\": %s", number_text(split->test_size));
	if (split->repeats > 1)
		appendStringInfo(&json, ", \"repeats\": %d", split->repeats);
	if (split->kind == ML_SPLIT_STRATIFIED || split->kind == ML_SPLIT_RANDOM || split->kind == ML_SPLIT_GROUP)
		appendStringInfo(&json, ", \"seed\": " UINT64_FORMAT, (uint64) split->seed);
	if (args->split_column != NULL)
	{
		appendStringInfo(&json, ", \"%s\": ", column_keys[split->kind]);
		escape_json(&json, args->split_column);
	}
	if (split->has_after)
	{
		appendStringInfoString(&json, ", \"after\": ");
		escape_json(&json, args->after);
	}
	if (args->sampling != ML_SAMPLING_NONE)
		appendStringInfo(&json, ", \"sampling\": \"%s\", \"sampling_ratio\": %s", sampling_names[args->sampling],
						 number_text(args->sampling_ratio));
	if (args->positive != NULL)
	{
		appendStringInfoString(&json, ", \"positive\": ");
		escape_json(&json, args->positive);
	}
	/* without its braces it is one more member */
	if (args->decision != NULL)
		appendStringInfo(&json, ", %.*s", (int) strlen(args->decision) - 2, args->decision + 1);
	appendStringInfoChar(&json, '}');
	return json.data;
}
