/*
 * ml_pipeline and ml_ensemble: models that are made of models.
 *
 * By name the members are registered models, of which the caller needs the privilege describe: what is made holds their
 * bytes.  It is stored and deployed as what ml_train makes.  By value members are ml_model values, and
 * the result is another.
 */
#include "postgres.h"

#include <inttypes.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "model/composite.h"
#include "model/pipeline.h"
#include "model/split.h"
#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/compose.h"
#include "pg/evaluate.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/modelarg.h"
#include "pg/registry.h"
#include "pg/train.h"

PG_FUNCTION_INFO_V1(ml_pipeline);
PG_FUNCTION_INFO_V1(ml_pipeline_value);
PG_FUNCTION_INFO_V1(ml_ensemble);
PG_FUNCTION_INFO_V1(ml_ensemble_value);

static const char *const method_names[] = {"mean", "weighted", "vote", "stacking"};

StaticAssertDecl(lengthof(method_names) == ML_ENSEMBLE_STACKING + 1, "one name per method");

/* A call that makes a model of registered ones. */
typedef struct Composition
{
	MlContext  *ctx;
	TrainArgs	args;
	MlCompositeSpec spec;
	MlMemberSpec *members;		/* room for one more */
	char	  **names;			/* [count] name@version */
	char	  **ids;			/* [count] of the versions */
	List	   *dependencies;	/* of the members */
	MlTrainResult result;
	const char *features;		/* JSON */
} Composition;

/* ---- arguments ---- */

/* A jsonb argument as text, an empty object when it is NULL. */
static char *
json_argument(FunctionCallInfo fcinfo, int index)
{
	return PG_ARGISNULL(index) ? pstrdup("{}") : jsonb_cstring(PG_GETARG_DATUM(index));
}

/* The elements of an array argument, none of them NULL, at least one, at most as many as a model may have members. */
static Datum *
array_argument(FunctionCallInfo fcinfo, int index, const char *what, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(index);
	Datum	   *elements;
	bool	   *nulls;
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &elements, &nulls, count);
	if (*count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (*count > ML_COMPOSITE_MEMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s has %d elements, and at most %d are allowed", what, *count, ML_COMPOSITE_MEMBERS)));
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain NULL", what)));
	return elements;
}

/* The method of an ensemble. */
static MlEnsembleMethod
method_argument(MlContext *ctx, FunctionCallInfo fcinfo, int index)
{
	char	   *method = optional_text(fcinfo, index);

	return train_choose(ctx, "method", method != NULL ? method : "mean", method_names, lengthof(method_names));
}

/* The weights of an ensemble's members: one each where none are given and the method needs none. */
static void
read_weights(FunctionCallInfo fcinfo, int index, MlCompositeSpec *spec, MlMemberSpec *members)
{
	Datum	   *weights;
	int			count;

	for (int m = 0; m < spec->count; m++)
		members[m].weight = 1;
	if (PG_ARGISNULL(index))
	{
		if (spec->method == ML_ENSEMBLE_WEIGHTED)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("method \"weighted\" needs weights"),
					 errhint("Give one number for each model.")));
		return;
	}
	if (spec->method == ML_ENSEMBLE_MEAN || spec->method == ML_ENSEMBLE_STACKING)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("method \"%s\" makes no use of weights", method_names[spec->method]),
				 errhint("Methods with weights are \"weighted\" and \"vote\".")));
	weights = array_argument(fcinfo, index, "weights", &count);
	if (count != spec->count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d weights for %d models", count, spec->count)));
	for (int m = 0; m < count; m++)
		members[m].weight = DatumGetFloat8(weights[m]);
}

/* ---- members by name ---- */

/* Where the last " as " of a text stands, in any case of letters; NULL = nowhere. */
static char *
find_as(char *text)
{
	char	   *found = NULL;

	for (char *p = text; *p != '\0'; p++)
		if (pg_strncasecmp(p, " as ", 4) == 0)
			found = p;
	return found;
}

/* Split 'model as feature'; returns the feature, NULL when there is none. */
static char *
split_output(char *spec)
{
	char	   *as = find_as(spec);
	char	   *feature;

	if (as == NULL)
		return NULL;
	for (feature = as + 4; *feature == ' '; feature++)
		;
	while (as > spec && as[-1] == ' ')
		as--;
	*as = '\0';
	if (*feature == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no feature is named after \"%s as\"", spec)));
	return feature;
}

/* Find and open the members; names: what the whole calls them, NULL = as they are called. */
static void
open_members(Composition *c, FunctionCallInfo fcinfo, char **names)
{
	Datum	   *models = array_argument(fcinfo, 1, "models", &c->spec.count);
	Size		room = sizeof(char *) * (Size) c->spec.count;

	c->members = palloc0(sizeof(MlMemberSpec) * (Size) (c->spec.count + 1));
	c->names = palloc(room);
	c->ids = palloc(room);
	c->spec.members = c->members;
	for (int m = 0; m < c->spec.count; m++)
	{
		char	   *spec = TextDatumGetCString(models[m]);
		char	   *output = c->spec.algorithm == &ml_pipeline_model ? split_output(spec) : NULL;
		RegistryVersion found;

		registry_resolve(spec, REGISTRY_DESCRIBE, &found);
		c->names[m] = names != NULL ? names[m] : psprintf("%s@%d", found.name, found.version);
		c->ids[m] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&found.id)));
		c->dependencies = lineage_depend(c->dependencies, &found.id);
		c->members[m].model = cache_model(&found, CurrentMemoryContext);
		c->members[m].name = c->names[m];
		c->members[m].output = output != NULL ? output : "";
	}
}

/* What each member but the last produces: the feature named, else one of its target's name. */
static void
name_outputs(Composition *c)
{
	for (int m = 0; m + 1 < c->spec.count; m++)
		if (c->members[m].output[0] == '\0')
			c->members[m].output = c->members[m].model->signature->target;
	if (c->members[c->spec.count - 1].output[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the last model of a pipeline is no feature of another"),
				 errdetail("It is named \"%s\".", c->members[c->spec.count - 1].output)));
}

/* Begin to make a model of those that a call names. */
static void
begin(Composition *c, FunctionCallInfo fcinfo, const MlAlgorithm *algorithm, char **names)
{
	memset(c, 0, sizeof *c);
	need_argument(fcinfo, 1, "models");
	c->ctx = host_context_create(CurrentMemoryContext, "mlaas composition", true);
	c->spec.algorithm = algorithm;
	c->spec.summary.row_digest = "";
	c->args.preprocess = "{}";
	open_members(c, fcinfo, names);
}

/* ---- rows ---- */

/* The arguments of a training on the members' features of a source. */
static void
source_args(Composition *c, TrainArgs *args)
{
	MlCompositeSpec side = c->spec;
	MlModel    *like = palloc0(sizeof(MlModel));
	MlPrep	   *prep;
	const MlSignature *signature;

	/* the features are the same whatever becomes of the results */
	side.method = ML_ENSEMBLE_STACKING;
	signature = ml_composite_signature(c->ctx, &side, &prep);
	/* texts are read as the members read them */
	like->signature = signature;
	like->prep = prep;
	args->like = like;
	args->nfeatures = signature->nfeatures;
	args->features = palloc(sizeof(char *) * (Size) Max(signature->nfeatures, 1));
	for (int f = 0; f < signature->nfeatures; f++)
		args->features[f] = pstrdup(signature->features[f].name);
}

/* The first member that was trained on just these rows; NULL = none, as far as is known. */
static const MlMemberSpec *
find_trained(const Composition *c, MlContext *ctx, const MlTable *table)
{
	for (int m = 0; m < c->spec.count; m++)
		if (ml_composite_trained_on(ctx, &c->members[m], table))
			return &c->members[m];
	return NULL;
}

/* The digest of the source's rows, as hexadecimal digits. */
static const char *
row_digest(const Composition *c)
{
	return ml_format(c->ctx, "%016" PRIx64 "%016" PRIx64, c->result.digest.sum, c->result.digest.sum_inverse);
}

/* What is learned from a source depends on it: on the features, and the target behind them. */
static void
depend_on_source(Composition *c)
{
	const TrainArgs *args = &c->args;
	Source	   *source = source_open(args->source);
	int		   *columns = palloc(sizeof(int) * (Size) (args->nfeatures + 1));

	for (int f = 0; f < args->nfeatures; f++)
		columns[f] = source_need(source, args->features[f], "feature");
	columns[args->nfeatures] = source_need(source, args->target, "target column");
	c->dependencies = lineage_depend_on(c->dependencies, source_dependencies(source, columns, args->nfeatures + 1));
}

/* Learn what is above the members, which becomes one more. */
static void
stack(Composition *c)
{
	MlTrainSpec spec;
	MlTable    *table;
	const MlMemberSpec *trained;
	MlMemberSpec *above;

	for (int m = 0; m < c->spec.count; m++)
		c->members[m].output = c->names[m];
	source_args(c, &c->args);
	table = train_read_table(c->ctx, &c->args, &spec);
	depend_on_source(c);
	if (table->rows > 0 && (trained = find_trained(c, c->ctx, table)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the source has just the rows that \"%s\" was trained on", trained->name),
				 errdetail("What a model says of rows that it has seen tells nothing about other rows."),
				 errhint("Stack on rows that no member was trained on.")));
	ml_composite_stack(c->ctx, &c->spec, table, &spec, &c->result);
	c->spec.summary.n_train = c->result.n_train;
	c->spec.summary.n_test = c->result.n_test;
	memcpy(c->spec.summary.metrics, c->result.metrics, sizeof c->result.metrics);
	c->spec.summary.nmetrics = c->result.nmetrics;
	above = &c->members[c->spec.count++];
	above->model = ml_model_open(c->ctx, c->result.bytes, c->result.size);
	above->name = "stacking";
	above->output = "";
	c->spec.summary.row_digest = row_digest(c);
}

/* The metrics of what was made on the rows of the source; those that a member has seen count as training rows. */
static void
evaluate(Composition *c, const MlModel *model)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas composition rows", true);
	TrainArgs	args = c->args;
	const MlMemberSpec *trained;
	MlTrainSpec spec;
	MlTable    *table;
	size_t		rows;

	args.target = pstrdup(model->signature->target);
	args.params = args.preprocess = "{}";
	args.split.kind = ML_SPLIT_NONE;
	source_args(c, &args);
	c->result.nmetrics = evaluate_source(c->ctx, model, source_open(args.source), c->result.metrics, &rows);
	table = train_read_table(ctx, &args, &spec);
	trained = find_trained(c, ctx, table);
	if (trained != NULL)
		ereport(WARNING,
				(errmsg("the source has just the rows that \"%s\" was trained on", trained->name),
				 errdetail("The metrics are those of training rows.")));
	c->result.held_out = trained == NULL;
	c->result.n_test = trained == NULL ? rows : 0;
	ml_free(ctx, ml_split_hashes(ctx, table, &c->result.digest));
	c->spec.summary.row_digest = row_digest(c);
	c->spec.summary.n_test = c->result.n_test;
	memcpy(c->spec.summary.metrics, c->result.metrics, sizeof c->result.metrics);
	c->spec.summary.nmetrics = c->result.nmetrics;
	host_context_delete(ctx);
}

/* ---- the whole ---- */

/* Make the bytes; returns the model. */
static const MlModel *
make(Composition *c)
{
	c->result.bytes = ml_composite_build(c->ctx, &c->spec, &c->result.size);
	return ml_model_open(c->ctx, c->result.bytes, c->result.size);
}

/* Make the model and measure it. */
static void
finish(Composition *c)
{
	const MlModel *model = make(c);

	if (c->args.source != NULL && c->spec.method != ML_ENSEMBLE_STACKING)
	{
		evaluate(c, model);
		model = make(c);
	}
	c->args.target = pstrdup(model->signature->target);
	c->args.reason = psprintf("%s of %d models", model->algorithm->name, c->spec.count);
	c->result.algorithm = model->algorithm;
	c->result.task = model->signature->task;
	c->result.params_json = ml_node_to_json(c->ctx, model->sections[ML_SECTION_PARAMETERS], true);
	c->features = train_features_json(model->signature);
}

/* The lineage: what was given, and which versions the names meant. */
static void
begin_lineage(Composition *c, FunctionCallInfo fcinfo, StringInfo json)
{
	char	  **given = palloc(sizeof(char *) * (Size) c->spec.count);
	Datum	   *models = array_argument(fcinfo, 1, "models", &c->spec.count);

	for (int m = 0; m < c->spec.count; m++)
		given[m] = TextDatumGetCString(models[m]);
	lineage_begin(json, c->spec.algorithm->name);
	lineage_texts(json, "models", given, c->spec.count);
	lineage_texts(json, "members", c->names, c->spec.count);
	lineage_texts(json, "member_version_ids", c->ids, c->spec.count);
	lineage_text(json, "source", c->args.source);
}

/* A chain of models, from the arguments of ml_pipeline. */
static void
compose_pipeline(Composition *c, FunctionCallInfo fcinfo, char **names)
{
	char	  **outputs;
	StringInfoData json;

	begin(c, fcinfo, &ml_pipeline_model, names);
	name_outputs(c);
	c->args.source = optional_text(fcinfo, 2);
	begin_lineage(c, fcinfo, &json);
	outputs = palloc(sizeof(char *) * (Size) c->spec.count);
	for (int m = 0; m + 1 < c->spec.count; m++)
		outputs[m] = pstrdup(c->members[m].output);
	lineage_texts(&json, "features", outputs, c->spec.count - 1);
	c->args.lineage = lineage_end(&json, -1);
	finish(c);
}

/* Refuse arguments that only stacking makes use of. */
static void
refuse_unused(FunctionCallInfo fcinfo, MlEnsembleMethod method)
{
	static const struct
	{
		int			index;
		const char *name;
	}			arguments[] = {{5, "target"}, {6, "algorithm"}, {7, "params"}, {8, "validation"}};

	for (size_t i = 0; i < lengthof(arguments); i++)
		if (!PG_ARGISNULL(arguments[i].index))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("method \"%s\" makes no use of %s", method_names[method], arguments[i].name),
					 errhint("It is for \"stacking\".")));
}

/* The arguments of a stacking's training. */
static void
read_stacking(Composition *c, FunctionCallInfo fcinfo)
{
	char	   *algorithm = optional_text(fcinfo, 6);
	Jsonb	   *empty = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));

	need_argument(fcinfo, 4, "source of method \"stacking\"");
	c->args.target = optional_text(fcinfo, 5);
	if (c->args.target == NULL)
		c->args.target = pstrdup(c->members[0].model->signature->target);
	c->args.params = json_argument(fcinfo, 7);
	if (algorithm != NULL && strcmp(algorithm, "auto") != 0)
	{
		c->args.algorithm = ml_algorithm_by_name(c->ctx, algorithm);
		train_read_params(c->ctx, &c->args);
	}
	train_read_validation(c->ctx, PG_ARGISNULL(8) ? empty : PG_GETARG_JSONB_P(8), &c->args);
}

/* The weights that were given, as JSON; NULL when none were. */
static char *
weights_json(FunctionCallInfo fcinfo)
{
	StringInfoData json;
	Datum	   *weights;
	int			count;

	if (PG_ARGISNULL(3))
		return NULL;
	weights = array_argument(fcinfo, 3, "weights", &count);
	initStringInfo(&json);
	for (int m = 0; m < count; m++)
		appendStringInfo(&json, "%s%s", m == 0 ? "[" : ", ", number_text(DatumGetFloat8(weights[m])));
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* An ensemble of models, from the arguments of ml_ensemble. */
static void
compose_ensemble(Composition *c, FunctionCallInfo fcinfo, char **names)
{
	StringInfoData json;
	int64		seed = -1;

	begin(c, fcinfo, &ml_ensemble_model, names);
	c->spec.method = method_argument(c->ctx, fcinfo, 2);
	read_weights(fcinfo, 3, &c->spec, c->members);
	c->args.source = optional_text(fcinfo, 4);
	if (c->spec.method == ML_ENSEMBLE_STACKING)
		read_stacking(c, fcinfo);
	else
		refuse_unused(fcinfo, c->spec.method);
	begin_lineage(c, fcinfo, &json);
	lineage_text(&json, "method", method_names[c->spec.method]);
	lineage_json(&json, "weights", weights_json(fcinfo));
	if (c->spec.method == ML_ENSEMBLE_STACKING)
	{
		lineage_text(&json, "target", c->args.target);
		lineage_text(&json, "algorithm", optional_text(fcinfo, 6));
		lineage_json(&json, "params", c->args.params);
		if (!PG_ARGISNULL(8))
			lineage_json(&json, "validation", json_argument(fcinfo, 8));
		seed = (int64) c->args.split.seed;
		stack(c);
	}
	c->args.lineage = lineage_end(&json, seed);
	finish(c);
}

/* Compose as a call says, store and perhaps deploy what comes out. */
static Datum
compose_registered(FunctionCallInfo fcinfo, void (*compose) (Composition *, FunctionCallInfo, char **), int deploy,
				   const char *function)
{
	Composition c;
	instr_time	start;
	char	   *name;
	char	   *policy = optional_text(fcinfo, deploy);

	INSTR_TIME_SET_CURRENT(start);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	name = need_text(fcinfo, 0, "name");
	registry_check_train(name);
	compose(&c, fcinfo, NULL);
	c.args.name = name;
	c.args.deploy = train_deploy_policy(c.ctx, policy != NULL ? policy : "first");
	c.args.lineage = lineage_add(c.args.lineage, "dependencies", lineage_dependencies(c.dependencies));
	return train_store(fcinfo, c.ctx, &c.args, &c.result, c.features, start);
}

/* Make a chain of models. */
Datum
ml_pipeline(PG_FUNCTION_ARGS)
{
	return compose_registered(fcinfo, compose_pipeline, 3, "ml_pipeline()");
}

/* Make an ensemble of models. */
Datum
ml_ensemble(PG_FUNCTION_ARGS)
{
	return compose_registered(fcinfo, compose_ensemble, 9, "ml_ensemble()");
}

/* The members of a lineage as they are called now: names can change hands, versions do not. */
static char **
members_now(Jsonb *arguments, int *count)
{
	char	  **names = lineage_strings(arguments, "members", count);
	int			known;
	char	  **ids = lineage_strings(arguments, "member_version_ids", &known);

	if (names == NULL || known != *count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the lineage names no models")));
	for (int m = 0; m < known; m++)
	{
		char	   *name = lineage_version_name(ids[m]);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("member \"%s\" does not exist any more, or you may not describe it", names[m])));
		names[m] = name;
	}
	return names;
}

/* Make one again from the arguments of its lineage. */
void
compose_again(bool pipeline, Jsonb *arguments, char *source, MlTrainResult *result)
{
	LOCAL_FCINFO(call, 10);
	Composition c;
	int			count;
	char	  **models = members_now(arguments, &count);
	int			outputs = 0;
	char	  **features = lineage_strings(arguments, "features", &outputs);

	for (int m = 0; m < Min(outputs, count); m++)
		models[m] = psprintf("%s as %s", models[m], features[m]);
	lineage_call_begin(call, 10);
	lineage_call_texts(call, 1, models, count);
	lineage_call_text(call, pipeline ? 2 : 4, source);
	if (!pipeline)
	{
		lineage_call_text(call, 2, lineage_string(arguments, "method"));
		lineage_call_numbers(call, 3, lineage_object(arguments, "weights"));
		if (strcmp(lineage_string(arguments, "method"), "stacking") == 0)
		{
			lineage_call_text(call, 5, lineage_string(arguments, "target"));
			lineage_call_text(call, 6, lineage_string(arguments, "algorithm"));
			lineage_call_json(call, 7, lineage_object(arguments, "params"));
			lineage_call_json(call, 8, lineage_object(arguments, "validation"));
		}
	}
	(pipeline ? compose_pipeline : compose_ensemble) (&c, call, lineage_strings(arguments, "members", &count));
	*result = c.result;
}

/* ---- members by value ---- */

/* Open the models of an array; their names are their places. */
static void
open_values(MlContext *ctx, FunctionCallInfo fcinfo, MlCompositeSpec *spec, MlMemberSpec **members)
{
	Datum	   *models = array_argument(fcinfo, 0, "models", &spec->count);

	*members = palloc0(sizeof(MlMemberSpec) * (Size) spec->count);
	spec->members = *members;
	spec->summary.row_digest = "";
	for (int m = 0; m < spec->count; m++)
	{
		struct varlena *value = PG_DETOAST_DATUM_COPY(models[m]);

		(*members)[m].model = ml_model_open(ctx, MODEL_BYTES(value), model_value_size(value));
		(*members)[m].name = psprintf("%d", m + 1);
		(*members)[m].output = "";
	}
}

/* The value made of an array's models. */
static Datum
make_value(MlContext *ctx, const MlCompositeSpec *spec)
{
	size_t		size;
	void	   *bytes = ml_composite_build(ctx, spec, &size);
	struct varlena *value = model_datum(bytes, size);

	host_context_delete(ctx);
	return PointerGetDatum(value);
}

/* A chain of models as values. */
Datum
ml_pipeline_value(PG_FUNCTION_ARGS)
{
	MlContext  *ctx;
	MlCompositeSpec spec = {.algorithm = &ml_pipeline_model};
	MlMemberSpec *members;
	Datum	   *outputs = NULL;
	int			count = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ctx = host_context_create(CurrentMemoryContext, "ml_pipeline", true);
	open_values(ctx, fcinfo, &spec, &members);
	if (!PG_ARGISNULL(1))
		outputs = array_argument(fcinfo, 1, "features", &count);
	if (outputs != NULL && count != spec.count - 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d features for the results of %d models", count, spec.count - 1)));
	for (int m = 0; m + 1 < spec.count; m++)
		members[m].output = outputs != NULL ? TextDatumGetCString(outputs[m]) : members[m].model->signature->target;
	PG_RETURN_DATUM(make_value(ctx, &spec));
}

/* An ensemble of models as values. */
Datum
ml_ensemble_value(PG_FUNCTION_ARGS)
{
	MlContext  *ctx;
	MlCompositeSpec spec = {.algorithm = &ml_ensemble_model};
	MlMemberSpec *members;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ctx = host_context_create(CurrentMemoryContext, "ml_ensemble", true);
	open_values(ctx, fcinfo, &spec, &members);
	spec.method = !PG_ARGISNULL(2) ? method_argument(ctx, fcinfo, 2) : PG_ARGISNULL(1) ? ML_ENSEMBLE_MEAN :
		ML_ENSEMBLE_WEIGHTED;
	if (spec.method == ML_ENSEMBLE_STACKING)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("models as values cannot be stacked"),
				 errhint("Register them, or train a model on their predictions and chain them by ml_pipeline.")));
	read_weights(fcinfo, 1, &spec, members);
	PG_RETURN_DATUM(make_value(ctx, &spec));
}
