/*
 * Applying steps, and their stored form.
 */
#include "prep/steps.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

#define DAY 86400.0
#define TWO_PI 6.283185307179586476925286766559

/* ---- dates ---- */

static const char *const part_names[] = {
	NULL, "year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "elapsed"
};

const char *
ml_date_part_name(MlDatePart part)
{
	return part >= ML_DATE_YEAR && part <= ML_DATE_LAST ? part_names[part] : NULL;
}

/* A day of the proleptic Gregorian calendar. */
typedef struct Civil
{
	int64_t		year;
	int			month;
	int			day;
	int			day_of_year;
} Civil;

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days of 1970 to January 1 of a year. */
static int64_t
days_before_year(int64_t year)
{
	int64_t		y = year - 1;
	int64_t		fours = y >= 0 ? y / 4 : -((3 - y) / 4);
	int64_t		centuries = y >= 0 ? y / 100 : -((99 - y) / 100);
	int64_t		eras = y >= 0 ? y / 400 : -((399 - y) / 400);

	return 365 * y + fours - centuries + eras - 719162;
}

static Civil
civil_from_days(int64_t days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	Civil		c = {.year = 1970 + (int64_t) floor((double) days / 365.2425)};
	int			rest;

	while (days_before_year(c.year) > days)
		c.year--;
	while (days_before_year(c.year + 1) <= days)
		c.year++;
	rest = (int) (days - days_before_year(c.year));
	c.day_of_year = rest + 1;
	for (c.month = 1; c.month < 12; c.month++)
	{
		int			length = lengths[c.month - 1] + (c.month == 2 && is_leap(c.year));

		if (rest < length)
			break;
		rest -= length;
	}
	c.day = rest + 1;
	return c;
}

/* 1 = Monday; day 0 of 1970 was a Thursday. */
static int
day_of_week(int64_t days)
{
	return (int) (((days + 3) % 7 + 7) % 7) + 1;
}

/* The week that a day is in: the one of its Thursday. */
static int
iso_week(int64_t days)
{
	int64_t		thursday = days - day_of_week(days) + 4;

	return (civil_from_days(thursday).day_of_year - 1) / 7 + 1;
}

double
ml_date_part(double seconds, MlDatePart part, double since)
{
	double		whole = floor(seconds / DAY);
	double		rest = seconds - whole * DAY;
	Civil		c;

	if (part == ML_DATE_ELAPSED)
		return (seconds - since) / DAY;
	if (part == ML_DATE_HOUR)
		return floor(rest / 3600);
	if (part == ML_DATE_MINUTE)
		return floor(fmod(rest, 3600) / 60);
	/* what PostgreSQL's calendar has, and NaN and infinity have not */
	if (!(fabs(whole) < 200000000))
		return NAN;
	if (part == ML_DATE_DAY_OF_WEEK)
		return day_of_week((int64_t) whole);
	if (part == ML_DATE_WEEK)
		return iso_week((int64_t) whole);
	c = civil_from_days((int64_t) whole);
	return part == ML_DATE_YEAR ? (double) c.year : part == ML_DATE_QUARTER ? (c.month - 1) / 3 + 1 :
		part == ML_DATE_MONTH ? c.month : part == ML_DATE_DAY ? c.day : c.day_of_year;
}

/* ---- applying ---- */

static double
box_cox(double x, double lambda)
{
	if (!(x > 0))
		return NAN;
	return lambda == 0 ? log(x) : expm1(lambda * log(x)) / lambda;
}

static double
yeo_johnson(double x, double lambda)
{
	if (x >= 0)
		return lambda == 0 ? log1p(x) : expm1(lambda * log1p(x)) / lambda;
	return lambda == 2 ? -log1p(-x) : -expm1((2 - lambda) * log1p(-x)) / (2 - lambda);
}

/* How many edges are not above x: half of those left at a time, without a branch on the outcome. */
static double
bin_of(const MlStep *step, double x)
{
	const double *low = step->values;
	size_t		left = step->count;

	if (x != x)
		return x;
	while (left > 1)
	{
		size_t		half = left / 2;

		low += half * (low[half - 1] <= x);
		left -= half;
	}
	return (double) (low - step->values) + (left > 0 && *low <= x);
}

/* The same for many values and few edges: every edge is compared with, in vectors. */
#define FEW_EDGES 64

ML_MULTIVERSION static void
count_edges(const double *restrict edges, size_t count, double *restrict x, size_t n)
{
	double		bins[ML_TERM_ROWS];

	for (size_t begin = 0; begin < n; begin += ML_TERM_ROWS)
	{
		size_t		m = n - begin < ML_TERM_ROWS ? n - begin : ML_TERM_ROWS;
		double	   *values = x + begin;

		for (size_t i = 0; i < m; i++)
			bins[i] = values[i] == values[i] ? 0 : values[i];
		for (size_t e = 0; e < count; e++)
			for (size_t i = 0; i < m; i++)
				bins[i] += edges[e] <= values[i] ? 1 : 0;
		memcpy(values, bins, m * sizeof(double));
	}
}

/* What a code becomes, in a table that has unseen strings and NULL at its end. */
static double
encode(const MlStep *step, const double *values, double unseen, double null, double code)
{
	if (code != code)
		return null;
	return code >= 0 && code < (double) step->count ? values[(size_t) code] : unseen;
}

static void
apply_encode(const MlStep *step, double *x, size_t n, const uint8_t *folds)
{
	for (size_t i = 0; i < n; i++)
	{
		const double *table = step->by_fold;

		if (table == NULL || folds == NULL)
			x[i] = encode(step, step->values, step->a, step->b, x[i]);
		else
		{
			table += folds[i] * (step->count + 2);
			x[i] = encode(step, table, table[step->count], table[step->count + 1], x[i]);
		}
	}
}

/* A value of a step that looks at nothing but it. */
static inline double
step_value(const MlStep *step, double x)
{
	switch (step->kind)
	{
		case ML_STEP_IMPUTE:
			return x == x ? x : step->a;
		case ML_STEP_CLIP:
			return x < step->a ? step->a : x > step->b ? step->b : x;
		case ML_STEP_LOG1P:
			return x > -1 ? log1p(x) : NAN;
		case ML_STEP_BOX_COX:
			return box_cox(x, step->a);
		case ML_STEP_YEO_JOHNSON:
			return yeo_johnson(x, step->a);
		case ML_STEP_BIN:
			return bin_of(step, x);
		case ML_STEP_SCALE:
			return (x - step->a) / step->b;
		case ML_STEP_EQUALS:
			return x == step->a ? 1.0 : 0.0;
		case ML_STEP_DATE:
			return ml_date_part(x, (MlDatePart) step->a, step->b);
		case ML_STEP_SINE:
			return sin(TWO_PI * ((x - step->a) / step->b));
		case ML_STEP_COSINE:
			return cos(TWO_PI * ((x - step->a) / step->b));
		case ML_STEP_ENCODE:
		case ML_STEP_FORWARD:
		case ML_STEP_KINDS:
			break;
	}
	return x;
}

void
ml_step_apply(const MlStep *step, double *x, size_t n, const uint8_t *folds)
{
	if (step->kind == ML_STEP_ENCODE)
		apply_encode(step, x, n, folds);
	else if (step->kind == ML_STEP_BIN && step->count <= FEW_EDGES && n > 1)
		count_edges(step->values, step->count, x, n);
	else
		for (size_t i = 0; i < n; i++)
			x[i] = step_value(step, x[i]);
}

/* ---- forward fill ---- */

/* The place of a number among some that ascend; -1 = it is not there. */
static ptrdiff_t
place_of(const double *values, size_t count, double x)
{
	size_t		low = 0;
	size_t		high = count;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (values[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && values[low] == x ? (ptrdiff_t) low : -1;
}

/* The last value of a group, of all rows where none of the group is known. */
static double
last_value(const MlFill *fill, double group)
{
	ptrdiff_t	place;

	if (group != group)
		return fill->of_null == fill->of_null ? fill->of_null : fill->last;
	place = place_of(fill->groups, fill->count, group);
	return place >= 0 ? fill->values[place] : fill->last;
}

/* What a training row became; NULL where it is none that was filled. */
static const double *
filled_value(const MlFill *fill, uint32_t row)
{
	size_t		low = 0;
	size_t		high = fill->nfilled;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (fill->filled[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low < fill->nfilled && fill->filled[low].row == row ? &fill->filled[low].value : NULL;
}

/* Fill the values that are missing. */
static void
apply_forward(const MlFill *fill, const MlRawBlock *block, double *x, size_t n)
{
	double		buffer[ML_TERM_ROWS];
	const double *groups = NULL;

	for (size_t i = 0; i < n; i++)
	{
		const double *filled = x[i] != x[i] && block->rows != NULL ? filled_value(fill, block->rows[i]) : NULL;

		if (x[i] == x[i])
			continue;
		if (filled == NULL && fill->slot >= 0 && groups == NULL)
			groups = block->slot(block, fill->slot, n, buffer);
		x[i] = filled != NULL ? *filled : groups != NULL ? last_value(fill, groups[i]) : fill->last;
	}
}

bool
ml_term_fills_by(const MlTerm *term, int slot)
{
	for (int f = 0; f < term->count; f++)
		for (int s = 0; s < term->factors[f].count; s++)
			if (term->factors[f].steps[s].kind == ML_STEP_FORWARD && term->factors[f].steps[s].fill->slot == slot)
				return true;
	return false;
}

/* ---- terms ---- */

void
ml_term_apply(const MlTerm *term, const MlRawBlock *block, size_t n, double *x)
{
	double		buffer[ML_TERM_ROWS];
	double		other[ML_TERM_ROWS];

	for (int f = 0; f < term->count; f++)
	{
		const MlFactorOf *factor = &term->factors[f];
		double	   *values = f == 0 ? x : other;

		memcpy(values, block->slot(block, factor->slot, n, buffer), n * sizeof(double));
		for (int s = 0; s < factor->count; s++)
			if (factor->steps[s].kind == ML_STEP_FORWARD)
				apply_forward(factor->steps[s].fill, block, values, n);
			else
				ml_step_apply(&factor->steps[s], values, n, block->folds);
		if (f > 0)
			for (size_t i = 0; i < n; i++)
				x[i] *= other[i];
	}
	/* past what a double holds: as if it were missing */
	for (size_t i = 0; i < n; i++)
		x[i] = isinf(x[i]) ? NAN : x[i];
}

bool
ml_step_inverts(MlStepKind kind)
{
	return kind == ML_STEP_IMPUTE || kind == ML_STEP_FORWARD || kind == ML_STEP_CLIP || kind == ML_STEP_LOG1P ||
		kind == ML_STEP_BOX_COX || kind == ML_STEP_YEO_JOHNSON || kind == ML_STEP_SCALE;
}

double
ml_step_invert(const MlStep *step, double x)
{
	switch (step->kind)
	{
		case ML_STEP_IMPUTE:
		case ML_STEP_FORWARD:
		case ML_STEP_CLIP:
			return x;
		case ML_STEP_LOG1P:
			return expm1(x);
		case ML_STEP_BOX_COX:
			return step->a == 0 ? exp(x) : exp(log1p(step->a * x) / step->a);
		case ML_STEP_YEO_JOHNSON:
			if (x >= 0)
				return step->a == 0 ? expm1(x) : expm1(log1p(step->a * x) / step->a);
			return step->a == 2 ? -expm1(-x) : -expm1(log1p(-(2 - step->a) * x) / (2 - step->a));
		case ML_STEP_SCALE:
			return x * step->b + step->a;
		default:
			return NAN;
	}
}

/* ---- stored form ---- */

/* The names of a step's numbers; NULL = it has none. */
static const struct
{
	const char *name;
	const char *a;
	const char *b;
	const char *values;
}			forms[ML_STEP_KINDS] = {
	[ML_STEP_IMPUTE] = {"impute", "value", NULL, NULL},
	[ML_STEP_CLIP] = {"clip", "low", "high", NULL},
	[ML_STEP_LOG1P] = {"log1p", NULL, NULL, NULL},
	[ML_STEP_BOX_COX] = {"box_cox", "lambda", NULL, NULL},
	[ML_STEP_YEO_JOHNSON] = {"yeo_johnson", "lambda", NULL, NULL},
	[ML_STEP_BIN] = {"bin", NULL, NULL, "edges"},
	[ML_STEP_SCALE] = {"scale", "center", "scale", NULL},
	[ML_STEP_ENCODE] = {"encode", "unseen", "missing", "codes"},
	[ML_STEP_EQUALS] = {"equals", "value", NULL, NULL},
	[ML_STEP_DATE] = {"date", "part", "since", NULL},
	[ML_STEP_SINE] = {"sine", "first", "period", NULL},
	[ML_STEP_COSINE] = {"cosine", "first", "period", NULL},
	[ML_STEP_FORWARD] = {"forward_fill", "fill", NULL, NULL},
};

static void
write_step(MlWriter *w, const MlStep *step)
{
	ml_write_object(w, NULL);
	ml_write_string(w, "step", forms[step->kind].name);
	if (forms[step->kind].a != NULL)
		ml_write_double(w, forms[step->kind].a, step->a);
	if (forms[step->kind].b != NULL)
		ml_write_double(w, forms[step->kind].b, step->b);
	if (forms[step->kind].values != NULL)
		ml_write_f64s(w, forms[step->kind].values, step->values, step->count);
	ml_write_end(w);
}

void
ml_terms_write(MlWriter *w, const MlTerm *terms, int count)
{
	ml_write_list(w, "terms");
	for (int t = 0; t < count; t++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "name", terms[t].name);
		ml_write_list(w, "factors");
		for (int f = 0; f < terms[t].count; f++)
		{
			ml_write_object(w, NULL);
			ml_write_int(w, "slot", terms[t].factors[f].slot);
			ml_write_list(w, "steps");
			for (int s = 0; s < terms[t].factors[f].count; s++)
				write_step(w, &terms[t].factors[f].steps[s]);
			ml_write_end(w);
			ml_write_end(w);
		}
		ml_write_end(w);
		ml_write_end(w);
	}
	ml_write_end(w);
}

static void
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* Do the numbers of a step that was read make sense? */
static bool
is_sound(const MlStep *s)
{
	switch (s->kind)
	{
		case ML_STEP_CLIP:
			return s->a <= s->b;
		case ML_STEP_SCALE:
		case ML_STEP_SINE:
		case ML_STEP_COSINE:
			return isfinite(s->a) && isfinite(s->b) && s->b > 0;
		case ML_STEP_DATE:
			return ml_date_part_name((MlDatePart) (s->a >= 1 && s->a <= ML_DATE_LAST ? s->a : 0)) != NULL &&
				s->a == floor(s->a) && isfinite(s->b);
		case ML_STEP_BIN:
			for (size_t i = 0; i < s->count; i++)
				if (!isfinite(s->values[i]) || (i > 0 && !(s->values[i] > s->values[i - 1])))
					return false;
			return true;
		case ML_STEP_ENCODE:
			for (size_t i = 0; i < s->count; i++)
				if (isinf(s->values[i]))
					return false;
			return !isinf(s->a) && !isinf(s->b);
		default:
			return isfinite(s->a) && isfinite(s->b);
	}
}

static void
read_step(MlContext *ctx, const MlNode *object, MlStep *step)
{
	const char *name = ml_node_type(object) == ML_NODE_OBJECT ? ml_need_string(ctx, object, "step") : "";
	int			kind = 0;

	while (kind < ML_STEP_KINDS && strcmp(forms[kind].name, name) != 0)
		kind++;
	if (kind == ML_STEP_KINDS)
		corrupted(ctx, "an unknown step of the preparation");
	step->kind = (MlStepKind) kind;
	if (forms[kind].a != NULL)
		step->a = ml_need_double(ctx, object, forms[kind].a);
	if (forms[kind].b != NULL)
		step->b = ml_need_double(ctx, object, forms[kind].b);
	if (forms[kind].values != NULL)
	{
		step->count = ml_node_count(ml_need(ctx, object, forms[kind].values, ML_NODE_F64S));
		step->values = ml_need_f64s(ctx, object, forms[kind].values, (int64_t) step->count);
	}
	if (!is_sound(step))
		corrupted(ctx, "a step of the preparation with numbers out of range");
}

/* Numbers that are all finite, ascending where ordered. */
static void
check_finite(MlContext *ctx, const double *values, size_t n, bool ordered)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]) || (ordered && i > 0 && !(values[i] > values[i - 1])))
			corrupted(ctx, "a forward fill with numbers out of range");
}

void
ml_fills_write(MlWriter *w, const MlFill *const *fills, int count)
{
	ml_write_list(w, "fills");
	for (int i = 0; i < count; i++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "order_by", fills[i]->order_by);
		ml_write_string(w, "group_by", fills[i]->group_by);
		if (fills[i]->last_text != NULL)
			ml_write_string(w, "last_text", fills[i]->last_text);
		ml_write_int(w, "slot", fills[i]->slot);
		ml_write_double(w, "last", fills[i]->last);
		ml_write_double(w, "of_null", fills[i]->of_null);
		ml_write_f64s(w, "groups", fills[i]->groups, fills[i]->count);
		ml_write_f64s(w, "values", fills[i]->values, fills[i]->count);
		ml_write_end(w);
	}
	ml_write_end(w);
}

const MlFill **
ml_fills_read(MlContext *ctx, const MlNode *list, int slots, int *count)
{
	size_t		n = ml_node_count(list);
	const MlFill **fills;

	if (n > ML_MAX_TERMS)
		corrupted(ctx, "too many forward fills");
	fills = ml_alloc_array(ctx, n + 1, sizeof(MlFill *));
	for (size_t i = 0; i < n; i++)
	{
		const MlNode *object = ml_node_at(list, i);
		MlFill	   *fill = ml_alloc_zero(ctx, sizeof *fill);

		if (ml_node_type(object) != ML_NODE_OBJECT)
			corrupted(ctx, "a forward fill is no object");
		fill->order_by = ml_need_string(ctx, object, "order_by");
		fill->group_by = ml_need_string(ctx, object, "group_by");
		fill->last_text = ml_node_find(object, "last_text") != NULL ? ml_need_string(ctx, object, "last_text") : NULL;
		fill->slot = (int) ml_need_int(ctx, object, "slot", -1, slots - 1);
		fill->last = ml_need_double(ctx, object, "last");
		fill->of_null = ml_need_double(ctx, object, "of_null");
		fill->count = ml_node_count(ml_need(ctx, object, "groups", ML_NODE_F64S));
		fill->groups = ml_need_f64s(ctx, object, "groups", (int64_t) fill->count);
		fill->values = ml_need_f64s(ctx, object, "values", (int64_t) fill->count);
		check_finite(ctx, &fill->last, 1, false);
		check_finite(ctx, &fill->of_null, fill->of_null == fill->of_null, false);
		check_finite(ctx, fill->groups, fill->count, true);
		check_finite(ctx, fill->values, fill->count, false);
		fills[i] = fill;
	}
	*count = (int) n;
	return fills;
}

static void
read_factor(MlContext *ctx, const MlNode *object, int slots, const MlFill *const *fills, int nfills, MlFactorOf *factor)
{
	const MlNode *list;
	size_t		n;

	if (ml_node_type(object) != ML_NODE_OBJECT)
		corrupted(ctx, "a factor of a term is no object");
	factor->slot = (int) ml_need_int(ctx, object, "slot", 0, slots - 1);
	list = ml_need(ctx, object, "steps", ML_NODE_LIST);
	n = ml_node_count(list);
	if (n > ML_TERM_MAX_STEPS)
		corrupted(ctx, "too many steps");
	factor->count = (int) n;
	factor->steps = ml_alloc_array_zero(ctx, n + 1, sizeof(MlStep));
	for (size_t s = 0; s < n; s++)
	{
		MlStep	   *step = &factor->steps[s];

		read_step(ctx, ml_node_at(list, s), step);
		if (step->kind != ML_STEP_FORWARD)
			continue;
		if (!(step->a >= 0 && step->a < nfills) || step->a != floor(step->a))
			corrupted(ctx, "a forward fill that is not there");
		step->fill = fills[(int) step->a];
	}
}

MlTerm *
ml_terms_read(MlContext *ctx, const MlNode *list, int slots, const MlFill *const *fills, int nfills, int *count)
{
	size_t		n = ml_node_count(list);
	MlTerm	   *terms;

	if (n > ML_MAX_TERMS)
		corrupted(ctx, "too many terms");
	terms = ml_alloc_array_zero(ctx, n + 1, sizeof(MlTerm));
	for (size_t t = 0; t < n; t++)
	{
		const MlNode *object = ml_node_at(list, t);
		const MlNode *factors;

		if (ml_node_type(object) != ML_NODE_OBJECT)
			corrupted(ctx, "a term is no object");
		terms[t].name = ml_need_string(ctx, object, "name");
		factors = ml_need(ctx, object, "factors", ML_NODE_LIST);
		if (ml_node_count(factors) < 1 || ml_node_count(factors) > ML_TERM_MAX_FACTORS)
			corrupted(ctx, "a term with too few or too many factors");
		terms[t].count = (int) ml_node_count(factors);
		terms[t].factors = ml_alloc_array_zero(ctx, (size_t) terms[t].count, sizeof(MlFactorOf));
		for (int f = 0; f < terms[t].count; f++)
			read_factor(ctx, ml_node_at(factors, (size_t) f), slots, fills, nfills, &terms[t].factors[f]);
	}
	*count = (int) n;
	return terms;
}

/* A forward fill for readers: the last value of all rows, and how many groups have one of their own. */
static void
describe_fill(MlWriter *w, const MlFill *fill)
{
	ml_write_object(w, NULL);
	ml_write_string(w, "step", forms[ML_STEP_FORWARD].name);
	ml_write_string(w, "order_by", fill->order_by);
	if (fill->last_text != NULL)
		ml_write_string(w, "last", fill->last_text);
	else
		ml_write_double(w, "last", fill->last);
	if (fill->slot >= 0)
	{
		ml_write_string(w, "group_by", fill->group_by);
		ml_write_int(w, "groups", (int64_t) fill->count + (fill->of_null == fill->of_null));
	}
	ml_write_end(w);
}

void
ml_term_describe(MlWriter *w, const MlTerm *term)
{
	if (term->count == 1 && term->factors[0].count == 0)
		return;
	ml_write_list(w, "steps");
	for (int f = 0; f < term->count; f++)
		for (int s = 0; s < term->factors[f].count; s++)
		{
			const MlStep *step = &term->factors[f].steps[s];

			if (step->kind == ML_STEP_FORWARD)
				describe_fill(w, step->fill);
			else if (step->kind != ML_STEP_DATE)
				write_step(w, step);
			else
			{
				ml_write_object(w, NULL);
				ml_write_string(w, "step", "date");
				ml_write_string(w, "part", ml_date_part_name((MlDatePart) step->a));
				ml_write_end(w);
			}
		}
	ml_write_end(w);
}
