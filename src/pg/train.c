/*
 * ml_train: from a source to a registered version, in four steps that each see only
 * what the one before made: arguments -> TrainArgs (checked without touching a row) -> TrainPlan
 * (columns and their types) -> MlTrainResult (read and fit) -> a row of the registry.
 */
#include "postgres.h"

#include <inttypes.h>
#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "model/binned.h"
#include "pg/cache.h"
#include "pg/crossval.h"
#include "pg/deploy.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/onepass.h"
#include "pg/progress.h"
#include "pg/registry.h"
#include "pg/rights.h"
#include "pg/source.h"
#include "pg/texts.h"
#include "pg/train.h"
#include "pg/values.h"

PG_FUNCTION_INFO_V1(ml_train);

#define STREAM_BYTES ((size_t) 112 << 20)
#define STREAM_SHARE 8			/* of mlaas.max_memory */
#define WEIGHT_ROLE "weight column"
#define GROUP_ROLE "group column"
#define START_ROLE "start score column"
#define TIME_ROLE "order_by column of preprocess"

static const char *const deploy_names[] = {"first", "if_better", "always", "never"};

StaticAssertDecl(lengthof(deploy_names) == DEPLOY_NEVER + 1, "one name per policy");

/* What to read and how to learn from it. */
typedef struct TrainPlan
{
	Source	   *source;
	int		   *columns;		/* of the source, in the order of the table: features first */
	int			ncolumns;
	const char **feature_types;
	const MlTextOptions **texts;	/* [ncolumns] how those are read that are texts, NULL for others */
	MlTrainSpec spec;
} TrainPlan;

static void read_args(MlContext *ctx, FunctionCallInfo fcinfo, TrainArgs *args);
static void make_plan(TrainArgs *args, TrainPlan *plan);
static void read_and_fit(MlContext *ctx, TrainPlan *plan, MlTrainResult *result);
static RegistryVersion store_version(const TrainArgs *args, const char *features,
									 const MlTrainResult *result, const char *metrics, double seconds);
static char *features_json(const TrainPlan *plan);
static char *dependencies(const TrainArgs *args, const TrainPlan *plan);
static char *metrics_json(const MlMetric *metrics, int count);

/* ---- the call ---- */

/* Say that numbers were estimated that look like those of classes, and what would make them classes. */
static void
notice_few_values(const TrainArgs *args, const MlTrainResult *result)
{
	const char *target;

	if (result->few_values == 0)
		return;
	target = quote_identifier(args->target);
	ereport(NOTICE,
			(errmsg("target column \"%s\" has %d distinct values and is predicted as a number", args->target,
					result->few_values),
			 errhint("Where they are classes, %scast the column in the source: SELECT %s::text AS %s, ...",
					 args->algorithm == NULL ? "name a classifier such as \"logistic_regression\", or " : "", target,
					 target)));
}

/* Train, store and perhaps deploy; returns the row. */
Datum
train_register(FunctionCallInfo fcinfo, MlContext *ctx, TrainArgs *args, instr_time start)
{
	TrainPlan	plan;
	MlTrainResult result;

	make_plan(args, &plan);
	memset(&result, 0, sizeof result);
	progress_begin(ctx, args->name);
	read_and_fit(ctx, &plan, &result);
	notice_few_values(args, &result);
	ml_progress(ctx, "storing", 0, 0, NAN);
	args->lineage = lineage_add(args->lineage, "dependencies", dependencies(args, &plan));
	return train_store(fcinfo, ctx, args, &result, features_json(&plan), start);
}

/* Store a result and perhaps deploy it; returns the row. */
Datum
train_store(FunctionCallInfo fcinfo, MlContext *ctx, const TrainArgs *args, const MlTrainResult *result,
			const char *features, instr_time start)
{
	instr_time	duration;
	RegistryVersion version;
	TupleDesc	descriptor;
	double		seconds;
	char	   *metrics = metrics_json(result->metrics, result->nmetrics);
	Datum		values[9];
	bool		nulls[9] = {0};
	HeapTuple	row;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	seconds = INSTR_TIME_GET_DOUBLE(duration);
	version = store_version(args, features, result, metrics, seconds);

	values[0] = CStringGetTextDatum(args->name);
	values[1] = Int32GetDatum(version.version);
	values[2] = CStringGetTextDatum(ml_task_name(result->task));
	values[3] = CStringGetTextDatum(result->algorithm->name);
	values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(metrics));
	values[5] = Int64GetDatum((int64) result->n_train);
	values[6] = Int64GetDatum((int64) result->n_test);
	values[7] = Float8GetDatum(seconds);
	values[8] = BoolGetDatum(train_deploy(args, &version, "trained"));
	row = heap_form_tuple(BlessTupleDesc(descriptor), values, nulls);
	progress_end(ctx);
	host_context_delete(ctx);
	return HeapTupleGetDatum(row);
}

/* Read the rows and learn from them. */
void
train_learn(MlContext *ctx, TrainArgs *args, MlTrainResult *result)
{
	TrainPlan	plan;

	make_plan(args, &plan);
	memset(result, 0, sizeof *result);
	read_and_fit(ctx, &plan, result);
}

/* Read all rows, and say how they would be learned from. */
MlTable *
train_read_table(MlContext *ctx, TrainArgs *args, MlTrainSpec *spec)
{
	TrainPlan	plan;
	MlTable    *table;

	make_plan(args, &plan);
	table = source_table(ctx, plan.source, plan.columns, plan.ncolumns, plan.texts);
	source_load(ctx, plan.source, plan.columns, table, NULL);
	*spec = plan.spec;
	return table;
}

/* Only read the rows. */
MlTable *
train_load(MlContext *ctx, TrainArgs *args, const char *key, KeyReader *reader, SourceRow row, void *arg,
		   MlTrainSpec *spec)
{
	TrainPlan	plan;
	MlTable    *table;
	int			keys;

	make_plan(args, &plan);
	table = source_table(ctx, plan.source, plan.columns, plan.ncolumns, plan.texts);
	keys = key_reader_init(reader, plan.source, key, plan.ncolumns, plan.columns + plan.ncolumns);
	source_load_with(ctx, plan.source, plan.columns, plan.ncolumns + keys, table, row, arg);
	*spec = plan.spec;
	/* after a cross-validation all rows were learned from */
	spec->nfolds = spec->split.folds;
	return table;
}

/* Read the rows and learn from them without each fold in turn; returns the folds. */
MlFold *
train_cross_validate(MlContext *ctx, TrainArgs *args, int *count)
{
	MlTrainSpec spec;
	MlTable    *table = train_read_table(ctx, args, &spec);
	MlFold	   *folds = crossval_folds(ctx, table, &spec, count);

	ml_pipeline_warn(ctx, table, &spec);
	return folds;
}

/* Check the arguments of a call as a training would, without reading a row. */
Source *
train_check(FunctionCallInfo fcinfo)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas training", false);
	TrainArgs	args;
	TrainPlan	plan;

	read_args(ctx, fcinfo, &args);
	make_plan(&args, &plan);
	return plan.source;
}

/* Train on a table, a view or a query. */
Datum
ml_train(PG_FUNCTION_ARGS)
{
	instr_time	start;
	MlContext  *ctx;
	TrainArgs	args;

	INSTR_TIME_SET_CURRENT(start);
	PreventCommandIfReadOnly("ml_train()");
	PreventCommandIfParallelMode("ml_train()");
	ctx = host_context_create(CurrentMemoryContext, "mlaas training", true);
	read_args(ctx, fcinfo, &args);
	return train_register(fcinfo, ctx, &args, start);
}

/* ---- arguments ---- */

/* A text argument as a C string, or the default when it is NULL. */
static char *
text_argument(FunctionCallInfo fcinfo, int number, const char *when_null)
{
	if (!PG_ARGISNULL(number))
		return text_to_cstring(PG_GETARG_TEXT_PP(number));
	return when_null ? pstrdup(when_null) : NULL;
}

/* The same for jsonb. */
static char *
json_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? pstrdup("{}") : jsonb_cstring(PG_GETARG_DATUM(number));
}

/* {} */
static Jsonb *
empty_object(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/* The index of a word among those allowed; an error names the nearest. */
int
train_choose(MlContext *ctx, const char *what, const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, word),
			 errhint("%s", ml_candidates_hint(ctx, what, word, words, count))));
}

/* The names of the features argument. */
void
train_read_features(ArrayType *array, TrainArgs *args)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &args->nfeatures);
	if (args->nfeatures == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features must not be empty"),
				 errhint("Leave the argument out to use all columns.")));
	args->features = palloc(sizeof(char *) * args->nfeatures);
	for (int i = 0; i < args->nfeatures; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("features must not contain NULL")));
		args->features[i] = TextDatumGetCString(elements[i]);
	}
}

/* Error when the target is missing, or is one that the algorithm has no use for. */
static void
check_target(const TrainArgs *args)
{
	bool		anomaly = args->algorithm != NULL && args->algorithm->tasks == ML_TASK_ANOMALY;

	if (args->target == NULL && !anomaly)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("target must not be NULL"),
				 errdetail("The algorithm learns to predict a column."),
				 errhint("Name the column to predict as the argument target.")));
	if (args->target != NULL && anomaly)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm \"%s\" learns without a target", args->algorithm->name),
				 errhint("Leave target out; list the features if the column is not to be one.")));
}

/* Check the algorithm's parameters and preprocess, and find the columns that parameters name. */
void
train_read_params(MlContext *ctx, TrainArgs *args)
{
	MlPrepOptions options;
	void	   *params = ml_params_parse(ctx, args->algorithm, args->params);

	args->group = ml_params_column(args->algorithm, params, ML_ROLE_GROUP, NULL);
	args->start = ml_params_column(args->algorithm, params, ML_ROLE_START, NULL);
	ml_prep_options_parse(ctx, args->algorithm, params, args->preprocess, &options);
}

/* Is a name among those of the features argument? */
static bool
names_feature(const TrainArgs *args, const char *name)
{
	for (int i = 0; i < args->nfeatures; i++)
		if (strcmp(args->features[i], name) == 0)
			return true;
	return false;
}

/* Error unless the features argument, where it is given, has just the features of a transform. */
static void
check_transform_features(const TrainArgs *args, const MlSignature *signature, const char *name)
{
	for (int f = 0; f < signature->nfeatures; f++)
	{
		if (args->target != NULL && strcmp(signature->features[f].name, args->target) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("target column \"%s\" is a feature of transform \"%s\"", args->target, name)));
		if (args->features != NULL && !names_feature(args, signature->features[f].name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("features lacks \"%s\", which transform \"%s\" takes", signature->features[f].name, name),
					 errhint("Leave the argument features out: the features are those of the transform.")));
	}
	if (args->features != NULL && args->nfeatures != signature->nfeatures)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features has columns that transform \"%s\" does not take", name),
				 errhint("Leave the argument features out: the features are those of the transform.")));
}

/* Take the features and the preparation of a model. */
void
train_take_transform(TrainArgs *args, const MlModel *model, const char *name)
{
	check_transform_features(args, model->signature, name);
	args->transform = args->like = model;
	args->transform_name = name;
	args->features = model_feature_names(model->signature);
	args->nfeatures = model->signature->nfeatures;
}

/* Find the transform that preprocess names, and name the very version. */
static void
read_transform(MlContext *ctx, TrainArgs *args)
{
	const char *name = ml_prep_transform_name(ctx, args->preprocess);
	RegistryVersion *found = palloc(sizeof(RegistryVersion));
	const MlModel *model;
	StringInfoData json;

	if (name == NULL)
		return;
	registry_resolve(name, REGISTRY_DESCRIBE, found);
	model = cache_model(found, CurrentMemoryContext);
	if (!model->algorithm->transforms)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is no transform", name),
				 errdetail("It is a model of algorithm \"%s\".", model->algorithm->name),
				 errhint("ml_fit_preprocess makes a transform, and ml_register gives it a name.")));
	train_take_transform(args, model, psprintf("%s@%d", found->name, found->version));
	args->transform_id = &found->id;
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"transform\": ");
	escape_json(&json, args->transform_name);
	appendStringInfoChar(&json, '}');
	args->preprocess = json.data;
	if (ml_prep_knows_target(model->prep))
		ereport(WARNING,
				(errmsg("transform \"%s\" encodes by the target", args->transform_name),
				 errdetail("It has seen the target of every row that it was fitted to: such rows, learned from or held "
						   "out, look better predicted than new ones will be."),
				 errhint("Encode by the target in preprocess itself, or fit the transform to other rows.")));
}

/* The policy of that name; an error names the nearest. */
DeployPolicy
train_deploy_policy(MlContext *ctx, const char *name)
{
	return train_choose(ctx, "deploy policy", name, deploy_names, lengthof(deploy_names));
}

/* Read and check the arguments from the source on, without reading any row; args->name says whether there is one. */
void
train_read_args(MlContext *ctx, FunctionCallInfo fcinfo, int first, TrainArgs *args)
{
	char	   *algorithm = text_argument(fcinfo, first + 2, "auto");

	args->source = text_argument(fcinfo, first, NULL);
	args->target = text_argument(fcinfo, first + 1, NULL);
	args->params = json_argument(fcinfo, first + 4);
	args->preprocess = json_argument(fcinfo, first + 5);
	args->weight = text_argument(fcinfo, first + 7, NULL);
	if (args->source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("source must not be NULL")));
	if (!PG_ARGISNULL(first + 3))
		train_read_features(PG_GETARG_ARRAYTYPE_P(first + 3), args);

	if (strcmp(algorithm, "auto") != 0)
	{
		args->algorithm = ml_algorithm_by_name(ctx, algorithm);
		train_read_params(ctx, args);
	}
	check_target(args);
	read_transform(ctx, args);
	train_read_validation(ctx, PG_ARGISNULL(first + 6) ? empty_object() : PG_GETARG_JSONB_P(first + 6), args);
}

/* The lineage of a call with the arguments from the source on. */
static char *
train_lineage(FunctionCallInfo fcinfo, int first, const char *operation, const TrainArgs *args)
{
	StringInfoData json;

	lineage_begin(&json, operation);
	lineage_text(&json, "source", text_argument(fcinfo, first, NULL));
	lineage_text(&json, "target", text_argument(fcinfo, first + 1, NULL));
	lineage_text(&json, "algorithm", text_argument(fcinfo, first + 2, NULL));
	lineage_texts(&json, "features", args->features, args->nfeatures);
	lineage_json(&json, "params", json_argument(fcinfo, first + 4));
	lineage_json(&json, "preprocess", json_argument(fcinfo, first + 5));
	lineage_json(&json, "validation", json_argument(fcinfo, first + 6));
	lineage_text(&json, "weight", text_argument(fcinfo, first + 7, NULL));
	if (args->transform_id != NULL)
	{
		lineage_text(&json, "transform", args->transform_name);
		lineage_text(&json, "transform_version_id",
					 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(args->transform_id))));
	}
	return lineage_end(&json, (int64) args->split.seed);
}

/* Error when the caller asks for a deployment that he may not make: before any row is read. */
void
train_need_deployment(const TrainArgs *args)
{
	if (args->deploy != DEPLOY_ALWAYS)
		return;
	rights_check_role(RIGHTS_DEPLOY);
	if (rights_role_exists(RIGHTS_APPROVE))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a new version is not approved, so it cannot be deployed at once"),
				 errdetail("Since role \"mlaas_approver\" exists, \"%s\" takes approved versions only.",
						   REGISTRY_DEFAULT_ALIAS),
				 errhint("Train with deploy => 'never', and deploy it when it is approved.")));
}

/* The arguments of ml_train. */
static void
read_args(MlContext *ctx, FunctionCallInfo fcinfo, TrainArgs *args)
{
	memset(args, 0, sizeof *args);
	args->name = text_argument(fcinfo, 0, NULL);
	if (args->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name must not be NULL")));
	registry_check_train(args->name);
	train_read_args(ctx, fcinfo, 1, args);
	args->deploy = train_deploy_policy(ctx, text_argument(fcinfo, 9, "first"));
	train_need_deployment(args);
	args->lineage = train_lineage(fcinfo, 1, "train", args);
}

/* ---- the plan ---- */

/* Add a column to the table to be read; returns its number there. */
static int
plan_column(TrainPlan *plan, int column)
{
	plan->columns[plan->ncolumns] = column;
	return plan->ncolumns++;
}

/* How a column is read as text; NULL = it is not. */
static const MlTextOptions *
plan_text(const TrainArgs *args, const SourceColumn *source, const ValueReader *reader)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas texts", false);
	const MlTextOptions *options = NULL;
	MlTextOptions *resolved;

	for (int f = 0; args->like != NULL && f < args->like->signature->nfeatures; f++)
		if (args->like->signature->features[f].kind == ML_KIND_TEXT &&
			strcmp(args->like->signature->features[f].name, source->name) == 0)
			options = &ml_prep_text(args->like->prep, f)->options;
	if (args->like == NULL)
		options = ml_prep_text_options(ctx, args->preprocess, source->name);
	if (options == NULL)
		return NULL;
	if (!value_is_string(reader))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("preprocess option \"text\" does not fit \"%s\"", source->name),
				 errdetail("The column is of type %s, not text.", source->type_name),
				 errhint("Cast the column in a query.")));
	if (options->tokens != ML_TEXT_WORDS || args->like != NULL)
		return options;
	resolved = palloc(sizeof(MlTextOptions));
	*resolved = *options;
	resolved->config = texts_config_name(ctx, options->config);
	return resolved;
}

/* Add a feature; an error when its type cannot be one. */
static void
plan_feature(const TrainArgs *args, TrainPlan *plan, int column)
{
	const SourceColumn *source = &plan->source->columns[column];
	ValueReader reader;

	source_check_unique(plan->source, column, "feature");
	if (!value_reader_init(&reader, source->type, CurrentMemoryContext))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("feature \"%s\" has type %s, which cannot be used", source->name, source->type_name),
				 errdetail("Features are numbers, booleans, dates and times, text, enums, UUIDs, or arrays of "
						   "numbers."),
				 errhint("List the features to use in the argument features, or cast the column in a query.")));
	/* the type behind a domain: it says how text and numbers are read at prediction */
	plan->feature_types[plan->spec.nfeatures++] = format_type_be(reader.base);
	plan->texts[plan->ncolumns] = plan_text(args, source, &reader);
	plan_column(plan, column);
}

/* Add the features that the caller named. */
static void
plan_named_features(const TrainArgs *args, TrainPlan *plan, int target)
{
	for (int i = 0; i < args->nfeatures; i++)
	{
		int			column = source_need(plan->source, args->features[i], "feature");

		if (column == target)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("target column \"%s\" is among the features", args->target),
					 errhint("Take it out of the argument features.")));
		for (int j = 0; j < plan->ncolumns; j++)
			if (plan->columns[j] == column)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("feature \"%s\" is named more than once", args->features[i])));
		plan_feature(args, plan, column);
	}
}

/* Add all columns that have no other part to play. */
static void
plan_all_features(const TrainArgs *args, TrainPlan *plan, const int *others, int nothers)
{
	for (int i = 0; i < plan->source->ncolumns; i++)
	{
		bool		other = false;

		for (int j = 0; j < nothers; j++)
			other |= others[j] == i;
		if (!other)
			plan_feature(args, plan, i);
	}
	if (plan->spec.nfeatures == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source has no column to be a feature"),
				 errdetail("Columns that are the target, the weight or part of the validation are no features.")));
}

/* What an error calls the column of validation. */
static const char *
split_role(MlSplitKind kind)
{
	return kind == ML_SPLIT_LAST ? "order_by column" : kind == ML_SPLIT_GROUP ? "group_by column" : "validation column";
}

/* Is the type one of integers? */
static bool
is_integer(const ValueReader *reader)
{
	return reader->base == INT2OID || reader->base == INT4OID || reader->base == INT8OID;
}

/* Is the type a number as such, not a boolean or a time? */
static bool
is_plain_number(const ValueReader *reader)
{
	return is_integer(reader) || reader->base == FLOAT4OID || reader->base == FLOAT8OID ||
		reader->base == NUMERICOID;
}

/* What kind of target the column is, by its type. */
static void
plan_target(TrainPlan *plan, int column)
{
	const SourceColumn *source = &plan->source->columns[column];
	ValueReader reader;
	bool		usable = value_reader_init(&reader, source->type, CurrentMemoryContext);

	plan->spec.target_integer = usable && is_integer(&reader);
	if (usable && is_plain_number(&reader))
		plan->spec.target_kind = ML_TARGET_NUMBER;
	else if (usable && reader.base == BOOLOID)
		plan->spec.target_kind = ML_TARGET_BOOLEAN;
	else if (usable && reader.kind == ML_KIND_CATEGORY)
		plan->spec.target_kind = ML_TARGET_TEXT;
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target column \"%s\" has type %s, which cannot be predicted", source->name, source->type_name),
				 errdetail("A target is a number, a boolean, text, an enum or a UUID."),
				 errhint("Cast the column in a query, for example with extract(epoch FROM ...) for a time.")));
	plan->spec.target = plan_column(plan, column);
}

/* A column of the source that has a part besides target and features; -1 when it is not asked for. */
static int
need_other(TrainPlan *plan, const char *name, const char *role, int target)
{
	int			column;

	if (name == NULL)
		return -1;
	column = source_need(plan->source, name, role);
	if (column == target)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" is the target", role, name)));
	return column;
}

/* Error: the weight or split column has a type that its part cannot use. */
static void
pg_attribute_noreturn()
refuse_type(const SourceColumn *column, const char *role, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("%s \"%s\" has type %s", role, column->name, column->type_name),
			 errhint("%s", hint)));
}

/* Add the column of groups; -1 when there is none. */
static int
plan_group(TrainPlan *plan, int column)
{
	const SourceColumn *source;
	ValueReader reader;

	if (column < 0)
		return -1;
	source = &plan->source->columns[column];
	if (!value_reader_init(&reader, source->type, CurrentMemoryContext) || reader.kind == ML_KIND_VECTOR)
		refuse_type(source, GROUP_ROLE, "A group must be a number, a time, text, an enum or a UUID.");
	return plan_column(plan, column);
}

/* Add a column of plain numbers, the weights or the start scores; -1 when there is none. */
static int
plan_number(TrainPlan *plan, int column, const char *role)
{
	const SourceColumn *source;
	ValueReader reader;

	if (column < 0)
		return -1;
	source = &plan->source->columns[column];
	if (!value_reader_init(&reader, source->type, CurrentMemoryContext) || !is_plain_number(&reader))
		refuse_type(source, role, "It must be a number.");
	return plan_column(plan, column);
}

/*
 * The text of a value that means the same under any DateStyle, IntervalStyle and TimeZone; of other types that given.
 */
static char *
settled_text(const ValueReader *reader, Datum value, char *given)
{
	const int	utc = 0;
	struct pg_itm interval;
	char	   *text = palloc(MAXDATELEN + 1);

	switch (reader->base)
	{
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMETZOID:
			return JsonEncodeDateTime(text, value, reader->base, NULL);
		case TIMESTAMPTZOID:
			return JsonEncodeDateTime(text, value, reader->base, &utc);
		case INTERVALOID:
			interval2itm(*DatumGetIntervalP(value), &interval);
			EncodeInterval(&interval, INTSTYLE_ISO_8601, text);
			return text;
		default:
			return given;
	}
}

/*
 * The number that a text stands for in the type of the column that orders the rows.  The text of a time becomes one
 * that means the same on any day and under any settings.
 */
static double
read_after(const ValueReader *reader, char **after)
{
	char	   *text = *after;
	Oid			input;
	Oid			parameter;
	Datum		value;
	double		number;

	getTypeInputInfo(reader->type, &input, &parameter);
	value = OidInputFunctionCall(input, text, parameter, -1);
	number = value_number(reader, value);
	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"after\" of validation is not finite: %s", text)));
	*after = settled_text(reader, value, text);
	return number;
}

/* Add the column of validation; -1 when there is none. */
static int
plan_split(TrainPlan *plan, int column, TrainArgs *args)
{
	MlSplitKind kind = args->split.kind;
	const SourceColumn *source;
	ValueReader reader;

	if (column < 0)
		return -1;
	source = &plan->source->columns[column];
	if (!value_reader_init(&reader, source->type, CurrentMemoryContext))
		reader.kind = ML_KIND_INVALID;
	if (kind == ML_SPLIT_COLUMN && (reader.kind != ML_KIND_NUMBER || reader.base != BOOLOID))
		refuse_type(source, split_role(kind), "It must be boolean: true in the rows to hold out.");
	if (kind == ML_SPLIT_LAST && reader.kind != ML_KIND_NUMBER)
		refuse_type(source, split_role(kind), "It must be a number, a date or a time.");
	if (kind == ML_SPLIT_GROUP && (reader.kind == ML_KIND_INVALID || reader.kind == ML_KIND_VECTOR))
		refuse_type(source, split_role(kind), "A group must be a number, a time, text, an enum or a UUID.");
	plan->spec.order_is_moment = kind == ML_SPLIT_LAST &&
		(reader.base == DATEOID || reader.base == TIMESTAMPOID || reader.base == TIMESTAMPTZOID);
	if (args->after != NULL)
		plan->spec.split.after = read_after(&reader, &args->after);
	return plan_column(plan, column);
}

/* The columns that order rows for steps of preprocess; returns how many. */
static int
need_times(const TrainArgs *args, TrainPlan *plan, int target, int *columns)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas preprocess", false);
	int			count;
	const char **names = ml_prep_orders(ctx, args->preprocess, &count);

	for (int i = 0; i < count; i++)
	{
		const SourceColumn *source;
		ValueReader reader;

		columns[i] = need_other(plan, names[i], TIME_ROLE, target);
		source_check_unique(plan->source, columns[i], TIME_ROLE);
		source = &plan->source->columns[columns[i]];
		if (!value_reader_init(&reader, source->type, CurrentMemoryContext) || reader.kind != ML_KIND_NUMBER)
			refuse_type(source, TIME_ROLE, "It must be a number, a date or a time.");
	}
	host_context_delete(ctx);
	return count;
}

/* Add columns that order rows, as far as they are not read yet. */
static void
plan_times(TrainPlan *plan, const int *columns, int count)
{
	for (int i = 0; i < count; i++)
	{
		bool		read = false;

		for (int j = 0; j < plan->ncolumns; j++)
			read |= plan->columns[j] == columns[i];
		if (!read)
			plan_column(plan, columns[i]);
	}
}

/* Open the source and give every column its part; args says from then on what it means under any settings. */
static void
make_plan(TrainArgs *args, TrainPlan *plan)
{
	MlTrainSpec *spec = &plan->spec;
	int			target = -1;
	int			weight;
	int			split;
	int			group;
	int			start;
	int		   *others;			/* columns that are no features by default: the five above, then what orders rows */
	int			ntimes;

	memset(plan, 0, sizeof *plan);
	plan->source = source_open(args->source);
	/* a column may be a feature and order the rows; and a key may come after those of the table */
	plan->columns = palloc(sizeof(int) * (plan->source->ncolumns + 6));
	plan->texts = palloc0(sizeof(MlTextOptions *) * (plan->source->ncolumns + 6));
	spec->feature_types = plan->feature_types = palloc(sizeof(char *) * (plan->source->ncolumns + 1));
	spec->algorithm = args->algorithm;
	spec->params = args->params;
	spec->preprocess = args->preprocess;
	spec->decision = args->decision;
	spec->positive = args->positive;
	spec->sampling = args->sampling;
	spec->sampling_ratio = args->sampling_ratio;
	spec->split = args->split;
	spec->retrain = args->retrain;
	spec->transform = args->transform;
	spec->transform_name = args->transform_name;
	spec->weight_name = args->weight;

	if (args->target != NULL)
		target = source_need(plan->source, args->target, "target column");
	weight = need_other(plan, args->weight, WEIGHT_ROLE, target);
	split = need_other(plan, args->split_column, split_role(args->split.kind), target);
	group = need_other(plan, args->group, GROUP_ROLE, target);
	start = need_other(plan, args->start, START_ROLE, target);
	others = palloc(sizeof(int) * (Size) (plan->source->ncolumns + 5));
	memcpy(others, (int[]) {target, weight, split, group, start}, sizeof(int) * 5);
	ntimes = need_times(args, plan, target, others + 5);
	if (args->features != NULL)
		plan_named_features(args, plan, target);
	else
		plan_all_features(args, plan, others, 5 + ntimes);
	spec->target = -1;
	spec->target_kind = ML_TARGET_NONE;
	if (target >= 0)
		plan_target(plan, target);
	spec->weight = plan_number(plan, weight, WEIGHT_ROLE);
	spec->group = plan_group(plan, group);
	spec->start = plan_number(plan, start, START_ROLE);
	spec->split_column = plan_split(plan, split, args);
	plan_times(plan, others + 5, ntimes);
	spec->validation = train_validation_json(args);
}

/* ---- learning ---- */

/* From how many bytes of features on a source is read twice, so that its values need not be held. */
static size_t
stream_threshold(const MlContext *ctx)
{
	size_t		limit = ctx->max_memory / STREAM_SHARE;

	return limit > 0 && limit < STREAM_BYTES ? limit : STREAM_BYTES;
}

/* Read the rows, once or twice, and learn from them. */
static void
load_and_fit(MlContext *ctx, TrainPlan *plan, MlTrainResult *result)
{
	MlTable    *table = source_table(ctx, plan->source, plan->columns, plan->ncolumns, plan->texts);
	MlStream   *stream = NULL;

	/* folds read the rows again and again */
	if (plan->spec.split.folds == 0 && plan->spec.sampling != ML_SAMPLING_SMOTE)
		stream = ml_stream_create(ctx, &plan->spec, table, stream_threshold(ctx));
	if (stream != NULL && !source_is_repeatable(plan->source, plan->columns, plan->ncolumns))
		stream = NULL;
	source_load(ctx, plan->source, plan->columns, table, stream);
	if (stream == NULL)
	{
		if (plan->spec.split.folds > 0)
			plan->spec.folds = crossval_folds(ctx, table, &plan->spec, &plan->spec.nfolds);
		ml_pipeline_train(ctx, table, &plan->spec, result);
		return;
	}
	if (ml_pipeline_plan(ctx, stream))
		source_load(ctx, plan->source, plan->columns, table, stream);
	ml_pipeline_train_stream(ctx, stream, result);
}

/* Learn from the source, keeping no row where the learner allows it. */
static void
read_and_fit(MlContext *ctx, TrainPlan *plan, MlTrainResult *result)
{
	if (!one_pass_train(ctx, plan->source, plan->columns, plan->ncolumns, &plan->spec, result))
		load_and_fit(ctx, plan, result);
}

/* ---- the rows of a training again ---- */

/* What models say of the rows, and which rows they are. */
typedef struct Onlookers
{
	MlContext  *ctx;
	Scored	   *scored;
	uint32	   *place;			/* [capacity] of each row that has the target */
	size_t		capacity;
	uint32		rows;
} Onlookers;

/* Let the models see a row. */
static void
show_row(TupleTableSlot *slot, void *arg)
{
	Onlookers  *onlookers = arg;
	size_t		before = onlookers->scored->rows;

	scored_add(slot, onlookers->scored);
	if (onlookers->scored->rows > before)
	{
		if (before == onlookers->capacity)
		{
			onlookers->capacity = Max(2 * before, 1024);
			onlookers->place = ml_realloc(onlookers->ctx, onlookers->place, onlookers->capacity * sizeof(uint32));
		}
		onlookers->place[before] = onlookers->rows;
	}
	onlookers->rows++;
}

/* On which side of the split the rows are that have the target, and what they weigh. */
uint8 *
train_held_out(MlContext *ctx, TrainArgs *args, const MlModel *const *models, int nmodels,
			   Scored **scored, double **weights, MlDigest *digest)
{
	Onlookers	onlookers = {.ctx = ctx};
	TrainPlan	plan;
	MlTable    *table;
	uint8_t    *sides;
	uint8	   *found;
	int		   *columns;
	int			ncolumns;

	make_plan(args, &plan);
	columns = plan.columns;
	ncolumns = plan.ncolumns;
	onlookers.scored = *scored = scored_create(ctx, models, nmodels, plan.source, NULL, &columns, &ncolumns);
	table = source_table(ctx, plan.source, plan.columns, plan.ncolumns, plan.texts);
	source_load_with(ctx, plan.source, columns, ncolumns, table, show_row, &onlookers);
	scored_finish(*scored);
	sides = ml_pipeline_held_out(ctx, table, &plan.spec, digest);
	found = ml_alloc(ctx, (*scored)->rows);
	for (size_t i = 0; i < (*scored)->rows; i++)
		found[i] = sides[onlookers.place[i]];
	*weights = NULL;
	if (plan.spec.weight >= 0)
	{
		*weights = ml_alloc_array(ctx, (*scored)->rows + 1, sizeof(double));
		ml_column_read(table->columns[plan.spec.weight], 0, onlookers.place, 0, (*scored)->rows, *weights);
	}
	return found;
}

/* ---- the registry ---- */

/* What the source reads, and what a transform depends on. */
static char *
dependencies(const TrainArgs *args, const TrainPlan *plan)
{
	char	   *of_source = source_dependencies(plan->source, plan->columns, plan->ncolumns);

	if (args->transform_id == NULL)
		return of_source;
	return lineage_dependencies(lineage_depend_on(lineage_depend(NIL, args->transform_id), of_source));
}

/* {"name": value, ...}; a metric that is not defined is null. */
static char *
metrics_json(const MlMetric *metrics, int count)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < count; i++)
		appendStringInfo(&json, "%s\"%s\": %s", i ? ", " : "", metrics[i].name,
						 isfinite(metrics[i].value) ? number_text(metrics[i].value) : "null");
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* [{"name": .., "kind": .., "type": ..}, ...] */
static char *
features_json(const TrainPlan *plan)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < plan->spec.nfeatures; i++)
	{
		const SourceColumn *column = &plan->source->columns[plan->columns[i]];
		ValueReader reader;

		value_reader_init(&reader, column->type, CurrentMemoryContext);
		appendStringInfo(&json, "%s{\"name\": ", i ? ", " : "");
		escape_json(&json, column->name);
		appendStringInfo(&json, ", \"kind\": \"%s\", \"type\": ",
						 ml_kind_name(plan->texts[i] != NULL ? ML_KIND_TEXT : reader.kind));
		escape_json(&json, plan->feature_types[i]);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* [{"name": .., "kind": .., "type": ..}, ...] of a model. */
char *
train_features_json(const MlSignature *signature)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int f = 0; f < signature->nfeatures; f++)
	{
		appendStringInfo(&json, "%s{\"name\": ", f > 0 ? ", " : "");
		escape_json(&json, signature->features[f].name);
		appendStringInfo(&json, ", \"kind\": \"%s\", \"type\": ", ml_kind_name(signature->features[f].kind));
		escape_json(&json, signature->features[f].type);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* Store the result as the next version of the name. */
static RegistryVersion
store_version(const TrainArgs *args, const char *features, const MlTrainResult *result,
			  const char *metrics, double seconds)
{
	RegistryEntry entry = {
		.name = args->name,
		.task = ml_task_name(result->task),
		.algorithm = result->algorithm->name,
		.target = args->target,
		.source = args->source,
		.params_json = result->params_json,
		.preprocess_json = args->preprocess,
		.validation_json = train_validation_json(args),
		.metrics_json = metrics,
		.baseline_json = metrics_json(result->baseline, result->nbaseline),
		.features_json = features,
		.n_train = (int64) result->n_train,
		.n_test = (int64) result->n_test,
		.n_skipped = (int64) result->n_skipped,
		.seconds = seconds,
		.digest = args->source == NULL ? NULL :
			psprintf("%016" PRIx64 "%016" PRIx64, result->digest.sum, result->digest.sum_inverse),
		.parent_version = args->parent_version,
		.parent = args->parent,
		.lineage_json = lineage_after(args->lineage, args->after),
		.model = model_datum(result->bytes, result->size),
		.reason = args->reason
	};

	return registry_store(&entry);
}

/* ---- deployment ---- */

/*
 * May a version that was trained just now become the one that the bare name means? A new version is not approved yet.
 */
static bool
may_deploy(void)
{
	return rights_has_role(RIGHTS_DEPLOY) && !rights_role_exists(RIGHTS_APPROVE);
}

/* Deploy the version if the caller's policy says so and it is good enough; tells whether it was. */
bool
train_deploy(const TrainArgs *args, const RegistryVersion *version, const char *made)
{
	DeployRequest request = {
		.version = version,
		.alias = REGISTRY_DEFAULT_ALIAS,
		.reason = psprintf("%s with deploy => '%s'", made, deploy_names[args->deploy]),
		.if_better = args->deploy == DEPLOY_IF_BETTER,
		.lenient = true
	};
	DeployOutcome outcome;
	RegistryVersion deployed;

	if (args->deploy == DEPLOY_NEVER || !may_deploy() ||
		(args->deploy == DEPLOY_FIRST && registry_is_deployed(args->name, &deployed)))
		return false;
	deploy_run(&request, &outcome);
	return outcome.deployed;
}
