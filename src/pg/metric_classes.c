/*
 * Metrics of a probability for each class: log_loss, brier, top_k_accuracy, and roc_auc of several classes.
 *
 * The probabilities of a row come as jsonb, {"class": probability, ...} as ml_probabilities returns it, or as an array
 * beside the classes' names in the same order.  Labels are text, as the names are.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/host.h"
#include "pg/metric_losses.h"
#include "pg/metric_scores.h"

/* More places than this no accuracy looks at. */
#define MAX_PLACES 1000000

/* How areas of classes become one, as the setting of a state. */
#define SETTING_OVO 1
#define SETTING_WEIGHTED 2

/* A row: names and probabilities of its classes, and which of them it is of. */
typedef struct ClassRow
{
	int			n;
	const char **names;			/* not terminated */
	int		   *lengths;
	double	   *probabilities;
	int			own;			/* -1 = none of them */
} ClassRow;

/* Where a form has its classes, and what stands behind them. */
typedef enum ClassForm
{
	FORM_JSONB,					/* actual, probabilities */
	FORM_ARRAY					/* actual, probabilities, classes */
} ClassForm;

static inline int
form_arguments(ClassForm form)
{
	return form == FORM_JSONB ? 2 : 3;
}

/* Fail on probabilities that are none. */
static void
refuse_classes(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("probabilities of classes cannot be read"),
			 errdetail("%s", detail),
			 errhint("Give {\"class\": probability, ...} as ml_probabilities returns it, or an array of probabilities "
					 "and an array of as many classes.")));
}

/* Make room for the classes of a row, in the memory of one call. */
static void
alloc_row(ClassRow *row, int n)
{
	row->n = n;
	row->names = palloc(sizeof(char *) * (n + 1));
	row->lengths = palloc(sizeof(int) * (n + 1));
	row->probabilities = palloc(sizeof(double) * (n + 1));
}

/* A probability of a class. */
static inline double
check_probability(double value)
{
	if (!(value >= 0.0 && value <= 1.0))
		refuse_probability(value);
	return value;
}

/* Read {"class": probability, ...}. */
static void
read_jsonb(FunctionCallInfo fcinfo, ClassRow *row)
{
	Jsonb	   *json = PG_GETARG_JSONB_P(2);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			i = 0;

	if (!JB_ROOT_IS_OBJECT(json) || JB_ROOT_COUNT(json) == 0)
		refuse_classes("They are not a JSON object of classes.");
	alloc_row(row, (int) JB_ROOT_COUNT(json));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			row->names[i] = value.val.string.val;
			row->lengths[i] = value.val.string.len;
		}
		else if (token == WJB_VALUE)
		{
			if (value.type != jbvNumeric)
				refuse_classes("A class has a value that is not a number.");
			row->probabilities[i++] = check_probability(DatumGetFloat8(
				DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric))));
		}
	}
}

/* Read an array of probabilities and one of names. */
static void
read_arrays(FunctionCallInfo fcinfo, ClassRow *row)
{
	ArrayType  *probabilities = PG_GETARG_ARRAYTYPE_P(2);
	ArrayType  *classes = PG_GETARG_ARRAYTYPE_P(3);
	Datum	   *names;
	int			n;

	if (ARR_NDIM(probabilities) != 1 || ARR_NDIM(classes) != 1)
		refuse_classes("Both arrays must have one dimension, and elements.");
	if (array_contains_nulls(probabilities) || array_contains_nulls(classes))
		refuse_classes("An array has an element that is NULL.");
	deconstruct_array(classes, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	if (ARR_DIMS(probabilities)[0] != n)
		refuse_classes(psprintf("There are %d probabilities and %d classes.", ARR_DIMS(probabilities)[0], n));
	alloc_row(row, n);
	for (int i = 0; i < n; i++)
	{
		row->names[i] = VARDATA_ANY(DatumGetPointer(names[i]));
		row->lengths[i] = (int) VARSIZE_ANY_EXHDR(DatumGetPointer(names[i]));
		row->probabilities[i] = check_probability(((const double *) ARR_DATA_PTR(probabilities))[i]);
	}
}

/* Read a row's classes, and find its own. */
static void
read_row(FunctionCallInfo fcinfo, ClassForm form, ClassRow *row)
{
	text	   *actual = PG_GETARG_TEXT_PP(1);
	int			length = (int) VARSIZE_ANY_EXHDR(actual);

	if (form == FORM_JSONB)
		read_jsonb(fcinfo, row);
	else
		read_arrays(fcinfo, row);
	row->own = -1;
	for (int i = 0; i < row->n && row->own < 0; i++)
		if (row->lengths[i] == length && memcmp(row->names[i], VARDATA_ANY(actual), length) == 0)
			row->own = i;
}

/* Read the weight of a row, if there is one in some argument; false when the row does not count. */
static inline bool
read_weight(FunctionCallInfo fcinfo, ClassForm form, int argument, double *weight)
{
	*weight = 1.0;
	if (!arguments_present(fcinfo, form_arguments(form)))
		return false;
	if (argument == 0)
		return true;
	if (PG_ARGISNULL(argument))
		return false;
	*weight = weight_argument(fcinfo, argument);
	return *weight > 0.0;
}

/* ---- means of losses ---- */

/* Add one row. */
static Datum
class_loss_add(FunctionCallInfo fcinfo, ClassForm form, MlLoss loss, bool weighted)
{
	int			argument = form_arguments(form) + 1;
	int32		k = 0;
	double		weight;
	double		value;
	ClassRow	row;
	ExpandedState *expanded;

	if (loss == ML_LOSS_TOP_K)
		k = int4_setting(fcinfo, argument++, "k", MAX_PLACES);
	if (!read_weight(fcinfo, form, weighted ? argument : 0, &weight))
		return skip_row(fcinfo);
	expanded = loss_state(fcinfo, loss, k);
	read_row(fcinfo, form, &row);
	if (loss == ML_LOSS_CLASS_LOG)
		value = ml_class_log_loss(row.probabilities, row.n, row.own);
	else if (loss == ML_LOSS_CLASS_BRIER)
		value = ml_class_brier(row.probabilities, row.n, row.own);
	else
		value = ml_class_top_k(row.probabilities, row.n, row.own, k);
	ml_loss_add(expanded->state, value, weight);
	return state_datum(expanded);
}

#define CLASS_LOSS_TRANSITION(name, form, loss, weighted) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return class_loss_add(fcinfo, form, loss, weighted); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CLASS_LOSS_TRANSITION(ml_class_log_jsonb, FORM_JSONB, ML_LOSS_CLASS_LOG, false);
CLASS_LOSS_TRANSITION(ml_class_log_jsonb_w, FORM_JSONB, ML_LOSS_CLASS_LOG, true);
CLASS_LOSS_TRANSITION(ml_class_log_array, FORM_ARRAY, ML_LOSS_CLASS_LOG, false);
CLASS_LOSS_TRANSITION(ml_class_log_array_w, FORM_ARRAY, ML_LOSS_CLASS_LOG, true);
CLASS_LOSS_TRANSITION(ml_class_brier_jsonb, FORM_JSONB, ML_LOSS_CLASS_BRIER, false);
CLASS_LOSS_TRANSITION(ml_class_brier_jsonb_w, FORM_JSONB, ML_LOSS_CLASS_BRIER, true);
CLASS_LOSS_TRANSITION(ml_class_brier_array, FORM_ARRAY, ML_LOSS_CLASS_BRIER, false);
CLASS_LOSS_TRANSITION(ml_class_brier_array_w, FORM_ARRAY, ML_LOSS_CLASS_BRIER, true);
CLASS_LOSS_TRANSITION(ml_class_top_k_jsonb_k, FORM_JSONB, ML_LOSS_TOP_K, false);
CLASS_LOSS_TRANSITION(ml_class_top_k_jsonb_kw, FORM_JSONB, ML_LOSS_TOP_K, true);
CLASS_LOSS_TRANSITION(ml_class_top_k_array_k, FORM_ARRAY, ML_LOSS_TOP_K, false);
CLASS_LOSS_TRANSITION(ml_class_top_k_array_kw, FORM_ARRAY, ML_LOSS_TOP_K, true);

/* ---- areas of several classes ---- */

/* Whether a setting is a name. */
static inline bool
setting_is(text *setting, const char *name)
{
	return VARSIZE_ANY_EXHDR(setting) == strlen(name) && memcmp(VARDATA_ANY(setting), name, strlen(name)) == 0;
}

/* Read one of two names; true = the second one. */
static bool
either_setting(FunctionCallInfo fcinfo, int argument, const char *what, const char *first, const char *second)
{
	text	   *setting;

	if (PG_ARGISNULL(argument))
		refuse_setting(what, true);
	setting = PG_GETARG_TEXT_PP(argument);
	if (!setting_is(setting, first) && !setting_is(setting, second))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be \"%s\" or \"%s\"", what, first, second),
				 errdetail("It is \"%s\".", text_to_cstring(setting))));
	return setting_is(setting, second);
}

/* Tell a new state the classes of its first row. */
static void
set_classes(Scores *scores, const ClassRow *row)
{
	StringInfoData names;

	if (row->n > SCORES_MAX_CLASSES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many classes for an area under curves"),
				 errdetail("There are %d; at most %d are possible.", row->n, SCORES_MAX_CLASSES)));
	initStringInfo(&names);
	for (int i = 0; i < row->n; i++)
	{
		uint32		length = (uint32) row->lengths[i];

		for (int j = 0; j < i; j++)
			if (row->lengths[i] == row->lengths[j] && memcmp(row->names[i], row->names[j], length) == 0)
				refuse_classes(psprintf("Class \"%s\" is there twice.", pnstrdup(row->names[i], length)));
		appendBinaryStringInfo(&names, (const char *) &length, sizeof length);
		appendBinaryStringInfo(&names, row->names[i], row->lengths[i]);
	}
	scores_set_classes(scores, names.data, names.len, row->n);
	pfree(names.data);
}

/* Fail on a row whose classes are not those of the state. */
static void
check_same_classes(const Scores *scores, const ClassRow *row)
{
	const char *at = scores->classes;
	bool		same = row->n == scores->nclasses;

	for (int i = 0; same && i < row->n; i++)
	{
		uint32		length;

		memcpy(&length, at, sizeof length);
		at += sizeof length;
		same = length == (uint32) row->lengths[i] && memcmp(at, row->names[i], length) == 0;
		at += length;
	}
	if (!same)
		refuse_setting("the list of classes", false);
}

/* What stands behind the classes, in this order. */
#define WITH_MULTICLASS 1
#define WITH_AVERAGE 2
#define WITH_WEIGHT 4

/* Keep one row's scores: each class's one, in the set of that class and of the row's own. */
static Datum
class_scores_add(FunctionCallInfo fcinfo, ClassForm form, int with)
{
	int			argument = form_arguments(form) + 1;
	int32		setting = 0;
	double		weight;
	ClassRow	row;
	ExpandedState *expanded;
	Scores	   *scores;

	if ((with & WITH_MULTICLASS) && either_setting(fcinfo, argument++, "multi_class", "ovr", "ovo"))
		setting |= SETTING_OVO;
	if ((with & WITH_AVERAGE) && either_setting(fcinfo, argument++, "average", "macro", "weighted"))
		setting |= SETTING_WEIGHTED;
	if (!read_weight(fcinfo, form, with & WITH_WEIGHT ? argument : 0, &weight))
		return skip_row(fcinfo);
	read_row(fcinfo, form, &row);
	expanded = scores_state(fcinfo, SCORES_CLASSES, (with & WITH_WEIGHT) != 0, setting);
	scores = expanded->state;
	if (scores->nclasses == 0)
		set_classes(scores, &row);
	check_same_classes(scores, &row);
	for (int k = 0; k < row.n; k++)
		scores_put(fcinfo, scores, k * (row.n + 1) + (row.own < 0 ? row.n : row.own),
				   ~ml_score_key(row.probabilities[k]), weight);
	return state_datum(expanded);
}

#define CLASS_SCORES_TRANSITION(name, form, with) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return class_scores_add(fcinfo, form, with); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CLASS_SCORES_TRANSITION(ml_class_scores_jsonb, FORM_JSONB, 0);
CLASS_SCORES_TRANSITION(ml_class_scores_jsonb_m, FORM_JSONB, WITH_MULTICLASS);
CLASS_SCORES_TRANSITION(ml_class_scores_jsonb_ma, FORM_JSONB, WITH_MULTICLASS | WITH_AVERAGE);
CLASS_SCORES_TRANSITION(ml_class_scores_jsonb_maw, FORM_JSONB, WITH_MULTICLASS | WITH_AVERAGE | WITH_WEIGHT);
CLASS_SCORES_TRANSITION(ml_class_scores_array, FORM_ARRAY, 0);
CLASS_SCORES_TRANSITION(ml_class_scores_array_m, FORM_ARRAY, WITH_MULTICLASS);
CLASS_SCORES_TRANSITION(ml_class_scores_array_ma, FORM_ARRAY, WITH_MULTICLASS | WITH_AVERAGE);
CLASS_SCORES_TRANSITION(ml_class_scores_array_maw, FORM_ARRAY, WITH_MULTICLASS | WITH_AVERAGE | WITH_WEIGHT);

PG_FUNCTION_INFO_V1(ml_roc_auc_classes_final);

/* The mean area of classes against the rest, or of pairs of classes; NULL where none is defined. */
Datum
ml_roc_auc_classes_final(PG_FUNCTION_ARGS)
{
	Scores	   *scores = final_state(fcinfo, &scores_state_kind);
	int			n = scores->nclasses;
	double	   *totals;
	double	   *areas;
	double	   *rest;
	double		area;

	if (scores->use != SCORES_CLASSES)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate state is of another metric")));
	totals = scores_totals(scores);
	areas = palloc(sizeof(double) * n * n);
	rest = palloc(sizeof(double) * n);
	for (int k = 0; k < n; k++)
	{
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
		double	   *found = ml_alloc_array(ctx, (size_t) n + 1, sizeof(double));
		MlTies		ties;

		/* a row is in one set of each class's scores, so the weights of classes are those of any class's sets */
		scores_ties(ctx, scores, k * (n + 1), n + 1, &ties);
		ml_ties_class_areas(&ties, k, totals + k * (n + 1), found, &rest[k]);
		memcpy(areas + (Size) k * n, found, sizeof(double) * n);
		host_context_delete(ctx);
	}
	area = ml_multiclass_area(n, areas, rest, totals, scores->setting & SETTING_OVO ? ML_MULTICLASS_OVO :
							  ML_MULTICLASS_OVR, (scores->setting & SETTING_WEIGHTED) != 0);
	return metric_datum(fcinfo, area);
}
