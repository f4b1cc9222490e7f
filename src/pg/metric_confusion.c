/*
 * Results of metrics over two columns of labels: scores of classes and their averages, the confusion matrix, the
 * report, and the agreement of two groupings.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/host.h"
#include "pg/metric_labels.h"

/* A matrix with more labels than this is of no use to a reader. */
#define MAX_MATRIX_LABELS 1000

/* What can be averaged over classes, in the order of a report's columns. */
#define REPORT_COLUMNS 6
#define REPORT_SCORES 3

/* The place in order of each label's number (palloc'd). */
static uint32 *
label_ranks(Classification *c, const uint32 *order)
{
	uint32	   *rank = palloc(sizeof(uint32) * (c->nlabels + 1));

	for (uint32 i = 0; i < c->nlabels; i++)
		rank[order[i]] = i;
	return rank;
}

/* Whether a label is the number given. */
static bool
label_is_number(LabelType type, const Label *label, int number)
{
	if (type == LABEL_FLOAT8)
		return label_float8(label->bits) == number;
	return type != LABEL_TEXT && label->bits == (uint64) number;
}

/*
 * The rank of the class that precision, recall and F1 are of; -1 = there are more than two, so their
 * means.  It is the greatest label; but where all labels are boolean, or 0 and 1, it is true or 1 even
 * when that was not seen, and its rank is then behind all labels.
 */
static ptrdiff_t
positive_rank(Classification *c, const uint32 *order)
{
	const Label *greatest = &c->labels[order[c->nlabels - 1]];

	if (c->nlabels > 2)
		return -1;
	if (c->nlabels == 1 && label_is_number(c->type, greatest, 0))
		return c->nlabels;
	return c->nlabels - 1;
}

/* The classes of a state that has rows. */
typedef struct Tallies
{
	MlTally    *tallies;		/* [classes], in the labels' order; the last is empty */
	size_t		classes;
	ptrdiff_t	positive;		/* as for ml_tally_metrics */
	const uint32 *order;		/* the labels */
} Tallies;

/* The rows of a pair, or their weight. */
static inline double
pair_weight(const Classification *c, const Pair *pair)
{
	return c->weighted ? ml_sum_value(&pair->weight) : (double) pair->rows;
}

/* Add up the rows and columns of the matrix. */
static void
make_tallies(Classification *c, Tallies *out)
{
	uint32	   *order = sorted_labels(c);
	uint32	   *rank = label_ranks(c, order);
	MlSum	   *sums = palloc0(sizeof(MlSum) * 2 * (c->nlabels + 1));

	out->order = order;
	out->classes = (size_t) c->nlabels + 1;
	out->tallies = palloc0(sizeof(MlTally) * out->classes);
	out->positive = positive_rank(c, order);
	for (uint32 i = 0; i < c->npairs; i++)
	{
		const Pair *pair = &c->pairs[i];
		double		weight = pair_weight(c, pair);

		ml_sum_add(&sums[2 * rank[pair->actual]], weight);
		ml_sum_add(&sums[2 * rank[pair->predicted] + 1], weight);
		if (pair->actual == pair->predicted)
			out->tallies[rank[pair->actual]].hits = weight;
	}
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		out->tallies[i].actual = ml_sum_value(&sums[2 * i]);
		out->tallies[i].predicted = ml_sum_value(&sums[2 * i + 1]);
	}
	if (!isfinite(ml_tally_total(out->tallies, out->classes)))
		float_overflow_error();
	pfree(sums);
	pfree(rank);
}

#define CLASSIFICATION_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		Tallies		t; \
		MlTallyMetrics metrics; \
		make_tallies(final_state(fcinfo, &classification_state_kind), &t); \
		ml_tally_metrics(t.tallies, t.classes, t.positive, &metrics); \
		return metric_datum(fcinfo, metrics.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CLASSIFICATION_FINAL(ml_accuracy_final, accuracy);
CLASSIFICATION_FINAL(ml_balanced_accuracy_final, balanced_accuracy);
CLASSIFICATION_FINAL(ml_mcc_final, mcc);

/* A score of the positive class, or averaged as the call said. */
static Datum
averaged_score(FunctionCallInfo fcinfo, MlClassScore score)
{
	Classification *c = final_state(fcinfo, &classification_state_kind);
	Tallies		t;

	make_tallies(c, &t);
	if (c->average == ML_AVERAGE_BINARY && t.positive < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("average \"binary\" is for two labels"),
				 errdetail("There are %u.", c->nlabels),
				 errhint("Use macro, micro or weighted, or compare with the positive label: (actual = 'yes', predicted "
						 "= 'yes').")));
	return metric_datum(fcinfo, ml_tally_average(t.tallies, t.classes, t.positive, score, c->beta, c->average));
}

#define AVERAGED_FINAL(name, score) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return averaged_score(fcinfo, score); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

AVERAGED_FINAL(ml_precision_final, ML_SCORE_PRECISION);
AVERAGED_FINAL(ml_recall_final, ML_SCORE_RECALL);
AVERAGED_FINAL(ml_fbeta_final, ML_SCORE_FBETA);
AVERAGED_FINAL(ml_specificity_final, ML_SCORE_SPECIFICITY);
AVERAGED_FINAL(ml_jaccard_final, ML_SCORE_JACCARD);

PG_FUNCTION_INFO_V1(ml_cohen_kappa_final);

/* Cohen's kappa; NULL where both columns are one and the same label. */
Datum
ml_cohen_kappa_final(PG_FUNCTION_ARGS)
{
	Tallies		t;

	make_tallies(final_state(fcinfo, &classification_state_kind), &t);
	return metric_datum(fcinfo, ml_tally_kappa(t.tallies, t.classes));
}

/* ---- agreement of groupings ---- */

static void
agreement(FunctionCallInfo fcinfo, MlAgreement *out)
{
	Classification *c = final_state(fcinfo, &classification_state_kind);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_agreement", false);
	MlCell	   *cells = ml_alloc_array(ctx, c->npairs + 1, sizeof(MlCell));

	for (uint32 i = 0; i < c->npairs; i++)
	{
		const Pair *pair = &c->pairs[i];

		cells[i] = (MlCell) {pair->actual, pair->predicted,
			c->weighted ? ml_sum_value(&pair->weight) : (double) pair->rows};
	}
	ml_agreement(ctx, cells, c->npairs, c->nlabels, c->weighted ? ml_sum_value(&c->squares) : (double) c->rows, out);
	host_context_delete(ctx);
}

#define AGREEMENT_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		MlAgreement found; \
		agreement(fcinfo, &found); \
		if (isinf(found.member)) \
			float_overflow_error(); \
		return metric_datum(fcinfo, found.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

AGREEMENT_FINAL(ml_ari_final, ari);
AGREEMENT_FINAL(ml_homogeneity_final, homogeneity);
AGREEMENT_FINAL(ml_completeness_final, completeness);
AGREEMENT_FINAL(ml_v_measure_final, v_measure);

/* ---- the confusion matrix ---- */

/* A number as JSON by its shortest exact text: the cast of float8 to numeric would round. */
static void
float8_json(double number, JsonbValue *value)
{
	value->type = jbvNumeric;
	value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(float8out_internal(number)),
															 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* A label as JSON. */
static void
label_json(LabelType type, const Label *label, JsonbValue *value)
{
	char	   *text;

	switch (type)
	{
		case LABEL_BOOLEAN:
			value->type = jbvBool;
			value->val.boolean = label->bits == 1;
			return;
		case LABEL_BIGINT:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric((int64) label->bits);
			return;
		case LABEL_FLOAT8:
			float8_json(label_float8(label->bits), value);
			return;
		default:
			text = label_text(type, label);
	}
	if (type == LABEL_NUMERIC)
	{
		value->type = jbvNumeric;
		value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		return;
	}
	value->type = jbvString;
	value->val.string.val = text;
	value->val.string.len = (int) strlen(text);
}

/* Write an object's key. */
static void
push_key(JsonbParseState **json, const char *name)
{
	JsonbValue	key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	pushJsonbValue(json, WJB_KEY, &key);
}

/* Fail on more labels than a matrix can have. */
static void
check_matrix_labels(const Classification *c)
{
	if (c->nlabels > MAX_MATRIX_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many labels for a confusion matrix"),
				 errdetail("There are %u; a matrix can have at most %d.", c->nlabels, MAX_MATRIX_LABELS)));
}

/* Write the rows of the matrix. */
static void
push_matrix(JsonbParseState **json, Classification *c, const uint32 *order)
{
	Numeric		zero = int64_to_numeric(0);

	pushJsonbValue(json, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pushJsonbValue(json, WJB_BEGIN_ARRAY, NULL);
		for (uint32 j = 0; j < c->nlabels; j++)
		{
			const Pair *pair = pair_of_labels(c, order[i], order[j]);
			JsonbValue	value = {.type = jbvNumeric};

			if (pair == NULL)
				value.val.numeric = zero;
			else if (c->weighted)
				float8_json(ml_sum_value(&pair->weight), &value);
			else
				value.val.numeric = int64_to_numeric((int64) pair->rows);
			pushJsonbValue(json, WJB_ELEM, &value);
		}
		pushJsonbValue(json, WJB_END_ARRAY, NULL);
	}
	pushJsonbValue(json, WJB_END_ARRAY, NULL);
}

PG_FUNCTION_INFO_V1(ml_confusion_matrix_final);

/* {"labels": [...], "matrix": [[...]]}: rows are actual, columns predicted. */
Datum
ml_confusion_matrix_final(PG_FUNCTION_ARGS)
{
	Classification *c = final_state(fcinfo, &classification_state_kind);
	uint32	   *order = sorted_labels(c);
	JsonbParseState *json = NULL;
	JsonbValue *result;

	check_matrix_labels(c);
	pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	push_key(&json, "labels");
	pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		JsonbValue	label;

		label_json(c->type, &c->labels[order[i]], &label);
		pushJsonbValue(&json, WJB_ELEM, &label);
	}
	pushJsonbValue(&json, WJB_END_ARRAY, NULL);
	push_key(&json, "matrix");
	push_matrix(&json, c, order);
	result = pushJsonbValue(&json, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}

/* The text of each label, in the labels' order (palloc'd). */
static Datum *
label_texts(Classification *c, const uint32 *order)
{
	Datum	   *texts = palloc(sizeof(Datum) * (c->nlabels + 1));

	for (uint32 i = 0; i < c->nlabels; i++)
		texts[i] = CStringGetTextDatum(label_text(c->type, &c->labels[order[i]]));
	return texts;
}

PG_FUNCTION_INFO_V1(ml_confusion_cells_final);

/* The cells of the matrix as rows, those of 0 too. */
Datum
ml_confusion_cells_final(PG_FUNCTION_ARGS)
{
	Classification *c = final_state(fcinfo, &classification_state_kind);
	uint32	   *order = sorted_labels(c);
	Datum	   *texts = label_texts(c, order);
	MetricRows	rows;

	check_matrix_labels(c);
	metric_rows_begin(fcinfo, &rows, 3);
	for (uint32 i = 0; i < c->nlabels; i++)
		for (uint32 j = 0; j < c->nlabels; j++)
		{
			const Pair *pair = pair_of_labels(c, order[i], order[j]);
			Datum		values[3] = {texts[i], texts[j], Float8GetDatum(pair == NULL ? 0.0 : pair_weight(c, pair))};
			bool		nulls[3] = {false, false, false};

			metric_rows_add(&rows, values, nulls);
		}
	return metric_rows_datum(&rows);
}

PG_FUNCTION_INFO_V1(ml_classification_report_final);

/* A row of scores for each class, then one for each average over them. */
Datum
ml_classification_report_final(PG_FUNCTION_ARGS)
{
	static const MlClassScore scores[REPORT_SCORES] = {ML_SCORE_PRECISION, ML_SCORE_RECALL, ML_SCORE_FBETA};
	static const struct
	{
		const char *name;
		MlAverage	average;
	}			averages[] = {
		{"micro", ML_AVERAGE_MICRO},
		{"macro", ML_AVERAGE_MACRO},
		{"weighted", ML_AVERAGE_WEIGHTED},
	};
	Classification *c = final_state(fcinfo, &classification_state_kind);
	Datum		values[REPORT_COLUMNS] = {0};
	bool		nulls[REPORT_COLUMNS] = {false};
	Tallies		t;
	Datum	   *texts;
	double		total;
	MetricRows	rows;

	make_tallies(c, &t);
	texts = label_texts(c, t.order);
	total = ml_tally_total(t.tallies, t.classes);
	metric_rows_begin(fcinfo, &rows, REPORT_COLUMNS);
	nulls[1] = true;
	for (uint32 i = 0; i < c->nlabels; i++)
	{
		values[0] = texts[i];
		for (int k = 0; k < REPORT_SCORES; k++)
			values[2 + k] = Float8GetDatum(ml_class_score(&t.tallies[i], total, scores[k], 1.0));
		values[5] = Float8GetDatum(t.tallies[i].actual);
		metric_rows_add(&rows, values, nulls);
	}
	nulls[0] = true;
	nulls[1] = false;
	for (size_t i = 0; i < lengthof(averages); i++)
	{
		values[1] = CStringGetTextDatum(averages[i].name);
		for (int k = 0; k < REPORT_SCORES; k++)
			values[2 + k] = Float8GetDatum(ml_tally_average(t.tallies, t.classes, -1, scores[k], 1.0,
															averages[i].average));
		values[5] = Float8GetDatum(total);
		metric_rows_add(&rows, values, nulls);
	}
	return metric_rows_datum(&rows);
}
