#include "model/target.h"
#include "model/retrain.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW_VALUES 10			/* numbers that may be the names of classes */

/* Rows that have a target, and the target's values there. */
static void
collect_rows(MlContext *ctx, const MlTable *table, const MlColumn *column, MlTarget *t)
{
	double		block[ML_BLOCK_ROWS];
	size_t		present = table->rows - column->nulls;

	if (table->rows >= UINT32_MAX)
		ml_raise(ctx, ML_ERROR_MEMORY, "more than %u rows cannot be trained on in memory", UINT32_MAX - 1);
	t->rows = ml_alloc_array(ctx, present + 1, sizeof(uint32_t));
	t->values = ml_alloc_array(ctx, present + 1, sizeof(double));
	for (size_t begin = 0; begin < table->rows; begin += ML_BLOCK_ROWS)
	{
		size_t		n = table->rows - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : table->rows - begin;

		ml_column_read(column, 0, NULL, begin, n, block);
		for (size_t i = 0; i < n; i++)
			if (block[i] == block[i])
			{
				t->rows[t->n] = (uint32_t) (begin + i);
				t->values[t->n++] = block[i];
			}
	}
}

/* ---- classes ---- */

typedef struct Label
{
	const char *text;
	double		value;
	int			code;			/* the number it has in values */
} Label;

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const Label *) a)->text, ((const Label *) b)->text);
}

static int
by_value(const void *a, const void *b)
{
	double		x = ((const Label *) a)->value;
	double		y = ((const Label *) b)->value;

	return (x > y) - (x < y);
}

/* A number as a label: shortest text that reads back the same. */
static const char *
number_label(MlContext *ctx, double v)
{
	char		text[40];

	for (int digits = 15; digits <= 17; digits++)
	{
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return ml_strdup(ctx, text);
}

/*
 * Distinct numbers by linear probing; codes[i] gets the number of value i in order of appearance.
 * Returns how many there are, limit + 1 when there are more.
 */
static int
distinct_numbers(MlContext *ctx, const double *values, size_t n, int limit, double *distinct, double *codes)
{
	enum {SLOTS = 4096};
	int			slots[SLOTS];
	int			count = 0;

	(void) ctx;
	memset(slots, 0xff, sizeof slots);
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	slot = ml_mix64(ml_number_bits(values[i])) & (SLOTS - 1);

		while (slots[slot] >= 0 && distinct[slots[slot]] != values[i])
			slot = (slot + 1) & (SLOTS - 1);
		if (slots[slot] < 0)
		{
			if (count == limit)
				return limit + 1;
			distinct[count] = values[i];
			slots[slot] = count++;
		}
		if (codes != NULL)
			codes[i] = slots[slot];
	}
	return count;
}

static void
raise_too_many(MlContext *ctx, const char *name, const char *hint)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "target column \"%s\" has too many classes", name),
				  ml_format(ctx, "It has more than %d distinct values.", ML_MAX_CLASSES), hint);
}

static void
raise_one_class(MlContext *ctx, const char *name, const char *label)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "target column \"%s\" has only one class", name),
				  ml_format(ctx, "Every training row has the value \"%s\".", label),
				  "A classifier needs rows of at least two classes.");
}

/* Sort the labels and turn codes into class indexes. */
static void
set_classes(MlContext *ctx, MlTarget *t, Label *labels, int n, MlTargetKind kind)
{
	int		   *index = ml_alloc_array(ctx, (size_t) n, sizeof(int));

	qsort(labels, (size_t) n, sizeof *labels, kind == ML_TARGET_TEXT ? by_text : by_value);
	t->nclasses = n;
	t->labels = ml_alloc_array(ctx, (size_t) n, sizeof(char *));
	t->label_values = ml_alloc_array(ctx, (size_t) n, sizeof(double));
	for (int k = 0; k < n; k++)
	{
		t->labels[k] = labels[k].text;
		t->label_values[k] = kind == ML_TARGET_TEXT ? k : labels[k].value;
		index[labels[k].code] = k;
	}
	for (size_t i = 0; i < t->n; i++)
		t->values[i] = index[(int) t->values[i]];
	t->task = n == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS;
}

/* Classes from a column of numbers or booleans. */
static void
classes_of_numbers(MlContext *ctx, const char *name, MlTargetKind kind, MlTarget *t)
{
	double		distinct[ML_MAX_CLASSES];
	int			n = distinct_numbers(ctx, t->values, t->n, ML_MAX_CLASSES, distinct, t->values);
	Label	   *labels;

	if (n > ML_MAX_CLASSES)
		raise_too_many(ctx, name, "For a number to be estimated, choose an algorithm that does regression.");
	labels = ml_alloc_array(ctx, (size_t) n, sizeof *labels);
	for (int i = 0; i < n; i++)
	{
		labels[i].value = distinct[i];
		labels[i].code = i;
		labels[i].text = kind == ML_TARGET_BOOLEAN ? (distinct[i] != 0 ? "true" : "false") :
			number_label(ctx, distinct[i]);
	}
	if (n == 1)
		raise_one_class(ctx, name, labels[0].text);
	set_classes(ctx, t, labels, n, kind);
}

/* Classes from a column of strings. */
static void
classes_of_strings(MlContext *ctx, const MlColumn *column, MlTarget *t)
{
	const MlDictionary *d = column->dictionary;
	Label	   *labels;

	if (d->count > ML_MAX_CLASSES)
		raise_too_many(ctx, column->name, "Group its values first, or choose another target.");
	labels = ml_alloc_array(ctx, d->count + 1, sizeof *labels);
	for (uint32_t i = 0; i < d->count; i++)
		labels[i] = (Label)
	{
		d->strings[i], i, (int) i
	};
	if (d->count == 1)
		raise_one_class(ctx, column->name, labels[0].text);
	set_classes(ctx, t, labels, (int) d->count, ML_TARGET_TEXT);
}

/* Does a label, or the number that it stands for, mean this class? */
static bool
is_label(const MlTrainSpec *spec, const MlTarget *t, int k, const char *label)
{
	char	   *end;
	double		number;

	if (strcmp(t->labels[k], label) == 0)
		return true;
	number = strtod(label, &end);
	return spec->target_kind == ML_TARGET_NUMBER && end != label && *end == '\0' && number == t->label_values[k];
}

/* The class that spec->positive names. */
static int
find_positive(MlContext *ctx, const MlTrainSpec *spec, const MlTarget *t)
{
	if (t->nclasses != 2)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "\"positive\" of validation is for a target of two classes",
					  t->nclasses == 0 ? "The target is a number to be estimated." :
					  ml_format(ctx, "The target has %d.", t->nclasses),
					  t->nclasses == 0 ? "Name a classifier as the algorithm, or cast the target to text." : NULL);
	for (int k = 0; k < 2; k++)
		if (is_label(spec, t, k, spec->positive))
			return k;
	ml_raise_full(ctx, ML_ERROR_UNDEFINED,
				  ml_format(ctx, "\"positive\" of validation names a class \"%s\" that there is not", spec->positive),
				  NULL, ml_candidates_hint(ctx, "class", spec->positive, t->labels, 2));
}

/* Put the positive class last: what is said of one class of two is said of that. */
static void
order_positive(MlContext *ctx, const MlTrainSpec *spec, MlTarget *t)
{
	const char *label;
	double		value = t->nclasses > 0 ? t->label_values[0] : 0;

	if (find_positive(ctx, spec, t) == 1)
		return;
	label = t->labels[0];
	t->labels[0] = t->labels[1];
	t->labels[1] = label;
	if (spec->target_kind != ML_TARGET_TEXT)
	{
		t->label_values[0] = t->label_values[1];
		t->label_values[1] = value;
	}
	for (size_t i = 0; i < t->n; i++)
		t->values[i] = 1 - t->values[i];
}

/* ---- task ---- */

/* Is this a classification? By the kind of target and the tasks that are possible, 0 = all. */
static bool
is_classification(MlContext *ctx, const MlTrainSpec *spec, unsigned tasks, const MlTarget *t)
{
	double		distinct[2];

	if (spec->target_kind != ML_TARGET_NUMBER)
		return true;
	if (tasks != 0 && !(tasks & (ML_TASK_REGRESSION | ML_TASK_RANKING)))
		return true;
	if (tasks != 0 && !(tasks & ML_TASK_CLASSIFICATION))
		return false;
	/* both would do: two distinct integers are classes, other numbers are estimated */
	return spec->target_integer && distinct_numbers(ctx, t->values, t->n, 2, distinct, NULL) == 2;
}

/*
 * How many distinct numbers there are where they look like the numbers of classes: two, or a few whole ones in a row,
 * such as grades; 0 = they do not, or the algorithm, its parameters or the model before say that a number is to be
 * estimated.
 */
static int
count_few(MlContext *ctx, const MlTrainSpec *spec, unsigned tasks, const MlTarget *t)
{
	double		distinct[FEW_VALUES];
	double		low = DBL_MAX;
	double		high = -DBL_MAX;
	int			n;

	if (spec->retrain != NULL || (tasks != 0 && !(tasks & ML_TASK_CLASSIFICATION)))
		return 0;
	n = distinct_numbers(ctx, t->values, t->n, FEW_VALUES, distinct, NULL);
	for (int i = 0; i < n && n <= FEW_VALUES; i++)
	{
		low = fmin(low, distinct[i]);
		high = fmax(high, distinct[i]);
		if (n > 2 && distinct[i] != floor(distinct[i]))
			return 0;
	}
	return n == 2 || (n <= FEW_VALUES && high - low == n - 1 && fabs(low) <= FEW_VALUES) ? n : 0;
}

/* A regression's target must be a number that varies, unless its rows are just added to others. */
static void
check_regression(MlContext *ctx, const char *name, const MlTarget *t, bool added)
{
	double		low = DBL_MAX;
	double		high = -DBL_MAX;

	for (size_t i = 0; i < t->n; i++)
	{
		low = fmin(low, t->values[i]);
		high = fmax(high, t->values[i]);
	}
	if (high > ML_LARGEST || low < -ML_LARGEST)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "target column \"%s\" holds values that are too large", name),
					  ml_format(ctx, "They reach from %g to %g.", low, high),
					  "Their squares are beyond double precision: scale the column down.");
	if (low == high && !added)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "target column \"%s\" is constant", name),
					  ml_format(ctx, "Every row has the value %s.", number_label(ctx, low)),
					  "There is nothing to learn from a constant.");
}

/* Raises where the algorithm, or what its parameters make of it, does not have the task. */
static void
check_task(MlContext *ctx, const MlTrainSpec *spec, unsigned tasks, const char *name, const MlTarget *t)
{
	const char *algorithm = t->algorithm->name;

	if (tasks & t->task)
		return;
	if (t->algorithm->tasks & t->task)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "the parameters of algorithm \"%s\" do not fit a target for %s", algorithm,
								ml_task_name(t->task)),
					  ml_format(ctx, "Target column \"%s\" is %s.", name,
								spec->target_kind == ML_TARGET_BOOLEAN ? "a boolean" :
								spec->target_kind == ML_TARGET_TEXT ? "text" :
								"a number"), NULL);
	if (ml_task_is_number(t->task))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  ml_format(ctx, "algorithm \"%s\" does not do %s", algorithm, ml_task_name(t->task)), NULL, NULL);
	if (t->algorithm->tasks & ML_TASK_CLASSIFICATION)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  ml_format(ctx, "algorithm \"%s\" needs a target of two classes", algorithm),
					  ml_format(ctx, "Target column \"%s\" has %d classes.", name, t->nclasses), NULL);
	ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
				  ml_format(ctx, "algorithm \"%s\" needs a target that is a number", algorithm),
				  ml_format(ctx, "Target column \"%s\" is %s.", name,
							spec->target_kind == ML_TARGET_BOOLEAN ? "a boolean" : "text"),
				  "Choose a classifier such as \"logistic_regression\", or cast the target to a number.");
}

/* Raises where there is a target that the algorithm cannot use, or none that it needs. */
static void __attribute__((noreturn))
raise_target(MlContext *ctx, const MlTrainSpec *spec)
{
	if (spec->target_kind == ML_TARGET_NONE)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "target must not be NULL",
					  "The algorithm learns to predict a column.",
					  "Name the column to predict as the argument target.");
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "algorithm \"%s\" learns without a target", spec->algorithm->name), NULL,
				  "Use ml_train, leave target out, and list the features if a column is not to be one.");
}

/* All rows, where there is no target. */
static void
take_all_rows(MlContext *ctx, const MlTable *table, MlTarget *t)
{
	if (table->rows >= UINT32_MAX)
		ml_raise(ctx, ML_ERROR_MEMORY, "more than %u rows cannot be trained on in memory", UINT32_MAX - 1);
	t->task = ML_TASK_ANOMALY;
	t->rows = ml_alloc_array(ctx, table->rows + 1, sizeof(uint32_t));
	t->n = table->rows;
	for (size_t i = 0; i < t->n; i++)
		t->rows[i] = (uint32_t) i;
}

/* Raises where the target column holds nothing that can be learned. */
static void
check_column(MlContext *ctx, const MlTable *table, const MlColumn *column)
{
	if (column->nonfinite > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "target column \"%s\" contains NaN or infinity", column->name),
					  ml_format(ctx, "%zu of %zu values are not finite.", column->nonfinite, table->rows),
					  "Filter these rows out or replace the values, for example by NULL.");
	if (column->nulls == table->rows)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "target column \"%s\" is NULL in every row", column->name),
					  NULL, "Rows without a target cannot be trained on.");
}

void
ml_target_read(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, unsigned tasks, MlTarget *t)
{
	const MlColumn *column;

	memset(t, 0, sizeof *t);
	if (table->rows == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "there are no rows to train on", NULL,
					  "Check the source, its filters and your row-level security.");
	t->algorithm = spec->algorithm;
	if ((spec->target_kind == ML_TARGET_NONE) != (tasks == ML_TASK_ANOMALY))
		raise_target(ctx, spec);
	if (spec->target_kind == ML_TARGET_NONE)
	{
		take_all_rows(ctx, table, t);
		return;
	}
	column = table->columns[spec->target];
	check_column(ctx, table, column);
	collect_rows(ctx, table, column, t);
	if (is_classification(ctx, spec, tasks, t))
	{
		if (spec->target_kind == ML_TARGET_TEXT)
			classes_of_strings(ctx, column, t);
		else
			classes_of_numbers(ctx, column->name, spec->target_kind, t);
	}
	else
	{
		t->task = tasks != 0 && !(tasks & ML_TASK_REGRESSION) ? ML_TASK_RANKING : ML_TASK_REGRESSION;
		check_regression(ctx, column->name, t, spec->retrain != NULL &&
						 spec->retrain->from->algorithm->resumes_exactly);
		t->few_values = count_few(ctx, spec, tasks, t);
	}
	if (t->algorithm == NULL)
		t->algorithm = ml_algorithm_auto(t->task);
	check_task(ctx, spec, tasks != 0 ? tasks : t->algorithm->tasks, column->name, t);
	if (spec->positive != NULL && spec->retrain == NULL)
		order_positive(ctx, spec, t);
}

void
ml_target_restrict(MlContext *ctx, MlTarget *t, const uint8_t *training, const char *name)
{
	const char **labels;
	size_t	   *members;
	int		   *of_class;
	int		   *index;
	int			kept = 0;

	if (ml_task_is_number(t->task))
		return;
	labels = ml_alloc_array(ctx, (size_t) t->nclasses, sizeof(char *));
	memcpy(labels, t->labels, (size_t) t->nclasses * sizeof(char *));
	of_class = ml_alloc_array(ctx, (size_t) t->nclasses, sizeof(int));
	members = ml_alloc_array_zero(ctx, (size_t) t->nclasses, sizeof(size_t));
	index = ml_alloc_array(ctx, (size_t) t->nclasses, sizeof(int));
	for (size_t i = 0; i < t->n; i++)
		members[(int) t->values[i]] += training[i] != 0;
	for (int k = 0; k < t->nclasses; k++)
	{
		index[k] = members[k] > 0 ? kept : -1 - k;
		if (members[k] == 0)
			continue;
		of_class[kept] = k;
		t->labels[kept] = t->labels[k];
		t->label_values[kept++] = t->label_values[k];
	}
	if (kept == t->nclasses)
		return;
	if (kept == 1)
		raise_one_class(ctx, name, t->labels[0]);
	for (size_t i = 0; i < t->n; i++)
		t->values[i] = index[(int) t->values[i]];
	t->all_classes = t->nclasses;
	t->all_labels = labels;
	t->of_class = of_class;
	t->nclasses = kept;
	t->task = kept == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS;
	if (!(t->algorithm->tasks & t->task))
		ml_raise(ctx, ML_ERROR_UNSUPPORTED, "algorithm \"%s\" does not fit a target of %d classes", t->algorithm->name,
				 kept);
}
