/*
 * From probabilities to a class.
 *
 * Costs: the class whose expected cost is least, sum over actual classes of probability times cost (Elkan, The
 * Foundations of Cost-Sensitive Learning, IJCAI 2001).
 * A threshold for a metric: rows in descending order of probability, one cut after another, counting what is right on
 * either side; a cut never divides rows of equal probability.
 */
#include "score/decision.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "score/runs.h"

#define NO_THRESHOLD NAN

static const char *const metric_names[] = {"accuracy", "balanced_accuracy", "f1", "mcc"};

#define METRICS (sizeof metric_names / sizeof *metric_names)

int
ml_decide(const MlDecision *d, const double *p, size_t ldp)
{
	int			best = 0;
	double		least = INFINITY;

	if (d->costs == NULL)
		return p[ldp] >= d->threshold;
	for (int predicted = 0; predicted < d->classes; predicted++)
	{
		double		cost = 0;

		for (int actual = 0; actual < d->classes; actual++)
			cost += p[(size_t) actual * ldp] * d->costs[actual * d->classes + predicted];
		if (cost < least)
		{
			least = cost;
			best = predicted;
		}
	}
	return best;
}

/* ---- what was asked for ---- */

static int
find_label(MlContext *ctx, const char *label, const char *const *labels, int classes)
{
	for (int k = 0; k < classes; k++)
		if (strcmp(labels[k], label) == 0)
			return k;
	ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "\"costs\" names a class \"%s\" that there is not", label),
				  NULL, ml_candidates_hint(ctx, "class", label, labels, (size_t) classes));
}

/* The costs of one actual class. */
static void
parse_row(MlContext *ctx, const char *label, json_object *row, const char *const *labels, int classes, double *costs)
{
	if (!json_object_is_type(row, json_type_object))
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE, ml_format(ctx, "\"costs\" of class \"%s\" must be an object, not %s",
														  label, ml_json_text(ctx, row)),
					  NULL, "For example {\"yes\": {\"no\": 5}}: to predict no where it is yes costs 5.");
	json_object_object_foreach(row, predicted, value)
	{
		double		cost = json_object_get_double(value);

		if ((!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) ||
			!(cost >= 0) || !isfinite(cost))
			ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "a cost must be a number of at least 0, not %s",
					 ml_json_text(ctx, value));
		costs[find_label(ctx, predicted, labels, classes)] = cost;
	}
}

static const double *
parse_costs(MlContext *ctx, json_object *object, const char *const *labels, int classes)
{
	double	   *costs = ml_alloc_array(ctx, (size_t) classes * (size_t) classes, sizeof(double));

	if (!json_object_is_type(object, json_type_object))
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
					  ml_format(ctx, "\"costs\" must be an object, not %s", ml_json_text(ctx, object)),
					  NULL, "For example {\"yes\": {\"no\": 5}}: to predict no where it is yes costs 5.");
	for (int actual = 0; actual < classes; actual++)
		for (int predicted = 0; predicted < classes; predicted++)
			costs[actual * classes + predicted] = actual != predicted;
	json_object_object_foreach(object, label, row)
		parse_row(ctx, label, row, labels, classes, costs + find_label(ctx, label, labels, classes) * classes);
	return costs;
}

/* A threshold, or the metric to choose it for. */
static void
parse_threshold(MlContext *ctx, json_object *value, int classes, MlDecision *decision)
{
	const char *text = json_object_get_string(value);

	if (classes != 2)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "\"threshold\" is for two classes",
					  ml_format(ctx, "The target has %d.", classes),
					  "Use \"costs\" to make some mistakes weigh more than others.");
	if (json_object_is_type(value, json_type_string))
	{
		for (size_t i = 0; i < METRICS; i++)
			if (strcmp(metric_names[i], text) == 0)
				decision->chosen_for = metric_names[i];
		if (decision->chosen_for == NULL)
			ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "no threshold can be chosen for \"%s\"", text), NULL,
						  ml_candidates_hint(ctx, "metric", text, metric_names, METRICS));
		return;
	}
	decision->threshold = json_object_get_double(value);
	if ((!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) ||
		!(decision->threshold > 0 && decision->threshold < 1))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "invalid \"threshold\": %s", ml_json_text(ctx, value)), NULL,
					  "It must be a number greater than 0 and less than 1, or a metric such as \"f1\".");
}

MlDecision *
ml_decision_parse(MlContext *ctx, const char *json, const char *const *labels, int classes)
{
	static const char *const keys[] = {"threshold", "costs"};
	MlDecision *decision = ml_alloc_zero(ctx, sizeof *decision);
	json_object *object = ml_json_object(ctx, json, "validation");

	ml_json_check_keys(ctx, object, "validation", keys, 2);
	decision->classes = classes;
	decision->threshold = NO_THRESHOLD;
	if (classes == 0)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "\"threshold\" and \"costs\" are for a target of classes");
	json_object_object_foreach(object, key, value)
	{
		if (strcmp(key, "costs") == 0)
			decision->costs = parse_costs(ctx, value, labels, classes);
		else
			parse_threshold(ctx, value, classes, decision);
	}
	return decision;
}

/* ---- choosing ---- */

/* A metric from the weights of right and wrong positives among all positives and negatives. */
static double
cut_metric(const char *name, double right, double wrong, double positives, double negatives)
{
	double		missed = positives - right;
	double		refused = negatives - wrong;
	double		product;

	if (strcmp(name, "accuracy") == 0)
		return (right + refused) / (positives + negatives);
	if (strcmp(name, "balanced_accuracy") == 0)
		return (right / positives + refused / negatives) / 2;
	if (strcmp(name, "f1") == 0)
		return 2 * right / (2 * right + wrong + missed);
	product = (right + wrong) * (right + missed) * (refused + wrong) * (refused + missed);
	return product > 0 ? (right * refused - wrong * missed) / sqrt(product) : 0;
}

void
ml_decision_choose(MlContext *ctx, MlDecision *decision, const double *actual, const double *p, const double *weight,
				   size_t n)
{
	MlKeyed    *cuts = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));	/* the highest probability first */
	MlSum		total[2] = {{0, 0}, {0, 0}};	/* negatives, positives */
	MlSum		cut[2] = {{0, 0}, {0, 0}};	/* wrong, right */
	double		positives;
	double		negatives;
	double		best = -INFINITY;
	size_t		known = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		w = weight != NULL ? weight[i] : 1;

		if (actual[i] < 0)
			continue;
		cuts[known++] = (MlKeyed) {~ml_score_key(p[i]), i};
		ml_sum_add(&total[actual[i] > 0.5], w);
	}
	negatives = ml_sum_value(&total[0]);
	positives = ml_sum_value(&total[1]);
	decision->threshold = 0.5;
	/* one class only tells nothing */
	if (!(positives > 0 && negatives > 0))
		known = 0;
	ml_sort_keyed(ctx, cuts, known);
	for (size_t i = 0; i < known; i++)
	{
		size_t		row = cuts[i].item;
		double		value;

		ml_sum_add(&cut[actual[row] > 0.5], weight != NULL ? weight[row] : 1);
		if (i + 1 < known && cuts[i + 1].key == cuts[i].key)
			continue;
		value = cut_metric(decision->chosen_for, ml_sum_value(&cut[1]), ml_sum_value(&cut[0]), positives, negatives);
		if (value > best || (value == best && fabs(p[row] - 0.5) < fabs(decision->threshold - 0.5)))
		{
			best = value;
			decision->threshold = p[row];
		}
	}
	ml_free(ctx, cuts);
}

/* ---- stored ---- */

void
ml_decision_write(MlWriter *w, const MlDecision *decision)
{
	ml_write_object(w, "decision");
	if (decision->costs != NULL)
		ml_write_f64s(w, "costs", decision->costs, (size_t) decision->classes * (size_t) decision->classes);
	else
		ml_write_double(w, "threshold", decision->threshold);
	if (decision->chosen_for != NULL)
		ml_write_string(w, "chosen_for", decision->chosen_for);
	ml_write_end(w);
}

const MlDecision *
ml_decision_read(MlContext *ctx, const MlNode *object, int classes)
{
	const MlNode *node = ml_node_find(object, "decision");
	MlDecision *decision;

	if (node == NULL)
		return NULL;
	decision = ml_alloc_zero(ctx, sizeof *decision);
	if (ml_node_type(node) != ML_NODE_OBJECT || classes < 2)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: its decision is none");
	decision->classes = classes;
	decision->threshold = NO_THRESHOLD;
	if (ml_node_find(node, "costs") != NULL)
	{
		decision->costs = ml_need_f64s(ctx, node, "costs", (int64_t) classes * classes);
		for (int i = 0; i < classes * classes; i++)
			if (!(decision->costs[i] >= 0 && isfinite(decision->costs[i])))
				ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a cost of its decision is %g",
						 decision->costs[i]);
		return decision;
	}
	decision->threshold = ml_need_double(ctx, node, "threshold");
	if (classes != 2 || !(decision->threshold >= 0 && decision->threshold <= 1))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the threshold of its decision is %g",
				 decision->threshold);
	if (ml_node_find(node, "chosen_for") != NULL)
		decision->chosen_for = ml_need_string(ctx, node, "chosen_for");
	return decision;
}
