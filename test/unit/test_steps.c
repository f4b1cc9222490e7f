/*
 * Steps of the preparation: what single ones do, fitted ones against scikit-learn 1.2.1 on the alcohol of its wine
 * data, encodings by the target, one row as many, the stored form and what is refused of it.
 */
#include "unit.h"

#include "base/hash.h"
#include "base/random.h"
#include "prep/prepare.h"

/* ---------------------------------------------------------------- helpers */

/* A table of one number column "x" and one category "c", both with missing values. */
#define ROWS 600

typedef struct Data
{
	double		x[ROWS];
	double		code[ROWS];		/* NAN = NULL */
	double		y[ROWS];
	uint8_t		folds[ROWS];
	uint32_t	rows[ROWS];		/* as a table numbers them */
	double		time[ROWS];		/* the column "t", several rows a moment */
	MlDictionary *dictionary;
	double		counts[64];
	double		nulls;
	MlFeature	features[2];
} Data;

static void
read_data(const void *arg, int feature, int slot, size_t begin, size_t n, double *out)
{
	const Data *data = arg;

	(void) slot;
	memcpy(out, (feature == 0 ? data->x : data->code) + begin, n * sizeof(double));
}

static bool
read_time(const void *arg, const char *column, size_t n, double *out)
{
	const Data *data = arg;

	memcpy(out, data->time, n * sizeof(double));
	return strcmp(column, "t") == 0;
}

static Data *
make_data(MlContext *ctx)
{
	Data	   *data = ml_alloc_zero(ctx, sizeof *data);

	data->dictionary = ml_dictionary_create(ctx);
	data->features[0] = (MlFeature) {.name = "x",.kind = ML_KIND_NUMBER,.type = "double precision",.width = 1,.slot = 0};
	data->features[1] = (MlFeature) {.name = "c",.kind = ML_KIND_CATEGORY,.type = "text",.width = 1,.slot = 1};
	for (int i = 0; i < ROWS; i++)
	{
		char		label[16];
		int			length = snprintf(label, sizeof label, "k%d", (i * 7919) % 60);

		data->x[i] = i % 11 == 0 ? NAN : (i * 37) % 101 + 0.5;
		data->code[i] = i % 13 == 0 ? NAN : ml_dictionary_add(ctx, data->dictionary, label, (size_t) length, UINT32_MAX);
		data->y[i] = (i * 10007) % 211;
		data->rows[i] = (uint32_t) (3 * i + 1);
		data->time[i] = (i * 389) % 200;
		data->folds[i] = (uint8_t) (ml_mix64((uint64_t) i) % ML_TERM_FOLDS);
		if (data->code[i] == data->code[i])
			data->counts[(int) data->code[i]] += 1;
		else
			data->nulls += 1;
	}
	return data;
}

/* The preparation of the data that preprocess asks for. */
static MlPrep *
fit(MlContext *ctx, const Data *data, const char *preprocess, bool native)
{
	MlPrepOptions options = {.missing_indicator = !native,.max_categories = 100,.min_frequency = 0.001,.native = native};
	MlMoments	moments[2];
	MlDictionary *dictionaries[] = {NULL, data->dictionary};
	const double *counts[] = {NULL, data->counts};
	double		nulls[] = {0, data->nulls};
	MlPrepTraining training = {.n = ROWS,.read = read_data,.arg = data,.target = data->y,.folds = data->folds,
	.rows = data->rows,.order = read_time};

	ml_prep_options_read(ctx, preprocess, "test", false, &options);
	ml_moments_init(&moments[0]);
	ml_moments_init(&moments[1]);
	for (size_t i = 0; i < ROWS; i += 200)
		ml_moments_add(&moments[0], data->x + i, 200);
	return ml_prep_fit_steps(ctx, &options, data->features, 2, moments, dictionaries, counts, nulls, &training);
}

/* The document of a preparation. */
static void *
stored(MlContext *ctx, const MlPrep *prep, size_t *size)
{
	MlWriter   *w = ml_writer_create(ctx);

	ml_prep_write(ctx, w, prep);
	return ml_writer_finish(w, size);
}

static double
date_part(const char *part, double seconds)
{
	for (int p = ML_DATE_YEAR; p <= ML_DATE_LAST; p++)
		if (strcmp(ml_date_part_name((MlDatePart) p), part) == 0)
			return ml_date_part(seconds, (MlDatePart) p, 0);
	return NAN;
}

/* ---------------------------------------------------------------- single steps */

/* Against PostgreSQL 15: extract(... FROM timestamp). */
static void
test_dates(MlContext *ctx)
{
	double		leap = 1709210096;	/* 2024-02-29 12:34:56 */
	double		early = -0.5;	/* 1969-12-31 23:59:59.5 */
	double		iso = 1104537600;	/* 2005-01-01, in week 53 of 2004 */
	double		ancient = -62135596800.0;	/* 0001-01-01 */

	(void) ctx;
	CHECK(date_part("year", leap) == 2024 && date_part("quarter", leap) == 1 && date_part("month", leap) == 2);
	CHECK(date_part("day", leap) == 29 && date_part("day_of_year", leap) == 60 && date_part("day_of_week", leap) == 4);
	CHECK(date_part("hour", leap) == 12 && date_part("minute", leap) == 34 && date_part("week", leap) == 9);
	CHECK(date_part("year", early) == 1969 && date_part("month", early) == 12 && date_part("day", early) == 31);
	CHECK(date_part("hour", early) == 23 && date_part("minute", early) == 59 && date_part("day_of_year", early) == 365);
	CHECK(date_part("week", iso) == 53 && date_part("day_of_week", iso) == 6);
	CHECK(date_part("year", ancient) == 1 && date_part("day_of_year", ancient) == 1 && date_part("day_of_week", ancient) == 1);
	CHECK(date_part("year", ancient - 1) == 0 && date_part("day_of_year", ancient - 1) == 366);
	CHECK_NEAR(date_part("elapsed", leap), leap / 86400, 1e-15);
	CHECK(isnan(date_part("year", NAN)) && isnan(date_part("week", INFINITY)) && isnan(date_part("hour", NAN)));
}

static double
step(MlStepKind kind, double a, double b, double x)
{
	MlStep		s = {.kind = kind,.a = a,.b = b};

	ml_step_apply(&s, &x, 1, NULL);
	return x;
}

/* There and back, and what a step does not take. */
static void
test_transforms(MlContext *ctx)
{
	static const double lambdas[] = {-2, -0.5, 0, 0.3, 1, 2, 3};
	static const double values[] = {-3, -0.2, 0, 0.4, 1, 7};

	(void) ctx;
	for (size_t l = 0; l < 7; l++)
		for (size_t v = 0; v < 6; v++)
		{
			MlStep		yeo = {.kind = ML_STEP_YEO_JOHNSON,.a = lambdas[l]};
			MlStep		box = {.kind = ML_STEP_BOX_COX,.a = lambdas[l]};
			double		x = values[v];

			ml_step_apply(&yeo, &x, 1, NULL);
			CHECK_NEAR(ml_step_invert(&yeo, x), values[v], 1e-12);
			x = values[v];
			ml_step_apply(&box, &x, 1, NULL);
			if (values[v] > 0)
				CHECK_NEAR(ml_step_invert(&box, x), values[v], 1e-12);
			else
				CHECK(isnan(x));
		}
	CHECK_NEAR(step(ML_STEP_YEO_JOHNSON, 0.5, 0, 3), 2, 1e-15);
	CHECK_NEAR(step(ML_STEP_BOX_COX, 0.5, 0, 9), 4, 1e-15);
	CHECK(isnan(step(ML_STEP_LOG1P, 0, 0, -1)) && isnan(step(ML_STEP_LOG1P, 0, 0, NAN)));
	CHECK(step(ML_STEP_CLIP, 1, 2, 5) == 2 && step(ML_STEP_CLIP, 1, 2, -5) == 1 && isnan(step(ML_STEP_CLIP, 1, 2, NAN)));
	CHECK(step(ML_STEP_IMPUTE, 7, 0, NAN) == 7 && step(ML_STEP_IMPUTE, 7, 0, 3) == 3);
	CHECK(step(ML_STEP_EQUALS, 1, 0, 1) == 1 && step(ML_STEP_EQUALS, 1, 0, NAN) == 0);
}

/* ---------------------------------------------------------------- fitted ones */

/* sklearn.datasets.load_wine().data[:20, 0]; lambdas by sklearn.preprocessing.PowerTransformer(standardize=False). */
static const double alcohol[] = {
	14.23, 13.2, 13.16, 14.37, 13.24, 14.2, 14.39, 14.06, 14.83, 13.86, 14.1, 14.12, 13.75, 14.75, 14.38, 13.63, 14.3, 13.83, 14.19, 13.64
};
#define BOX_COX_LAMBDA 5.002230545126648
#define YEO_JOHNSON_LAMBDA 5.295015021717305

static void
read_alcohol(const void *arg, int feature, int slot, size_t begin, size_t n, double *out)
{
	(void) arg;
	(void) feature;
	(void) slot;
	memcpy(out, alcohol + begin, n * sizeof(double));
}

/* The power that a transform of the alcohol is fitted with, found again from a value. */
static double
fitted_lambda(MlContext *ctx, const char *preprocess)
{
	MlPrepOptions options = {.max_categories = 100};
	MlFeature  *feature = ml_alloc_zero(ctx, sizeof *feature);
	MlMoments	m;
	MlPrepTraining training = {.n = 20,.read = read_alcohol};
	const MlPrep *prep;

	*feature = (MlFeature) {.name = "alcohol",.kind = ML_KIND_NUMBER,.type = "double precision",.width = 1};
	ml_moments_init(&m);
	ml_moments_add(&m, alcohol, 20);
	ml_prep_options_read(ctx, preprocess, "test", false, &options);
	prep = ml_prep_fit_steps(ctx, &options, feature, 1, &m, NULL, NULL, NULL, &training);
	return ml_prep_term(prep, 0)->factors[0].steps[0].a;
}

static void
test_powers(MlContext *ctx)
{
	CHECK_NEAR(fitted_lambda(ctx, "{\"number\": {\"transform\": \"box_cox\"}}"), BOX_COX_LAMBDA, 1e-5);
	CHECK_NEAR(fitted_lambda(ctx, "{\"number\": {\"transform\": \"yeo_johnson\"}}"), YEO_JOHNSON_LAMBDA, 1e-5);
}

#define MANY 40000

static void
read_many(const void *arg, int feature, int slot, size_t begin, size_t n, double *out)
{
	(void) feature;
	(void) slot;
	memcpy(out, (const double *) arg + begin, n * sizeof(double));
}

/* Steps that are fitted on several pieces of work. */
static MlPrep *
fit_many(MlContext *ctx, const double *values, const char *preprocess)
{
	MlPrepOptions options = {.scale = true,.missing_indicator = true,.max_categories = 100};
	MlFeature  *feature = ml_alloc_zero(ctx, sizeof *feature);
	MlPrepTraining training = {.n = MANY,.read = read_many,.arg = values};
	MlMoments	m;

	*feature = (MlFeature) {.name = "x",.kind = ML_KIND_NUMBER,.type = "double precision",.width = 1};
	ml_moments_init(&m);
	for (size_t i = 0; i < MANY; i += 200)
		ml_moments_add(&m, values + i, 200);
	ml_prep_options_read(ctx, preprocess, "test", false, &options);
	return ml_prep_fit_steps(ctx, &options, feature, 1, &m, NULL, NULL, NULL, &training);
}

/* Any number of threads fits the same bytes; what is sorted once and goes through a step is as if it were sorted again. */
static void
test_many(MlContext *ctx)
{
	static const char *const steps[] = {
		"{\"number\": {\"impute\": \"median\", \"clip\": [0.02, 0.9], \"scale\": \"robust\"}}",
		"{\"number\": {\"clip\": [0.1, 0.7], \"transform\": \"yeo_johnson\", \"bin\": 9}}",
		"{\"number\": {\"clip_values\": [0.5, null], \"transform\": \"box_cox\", \"scale\": \"robust\"}}",
	};
	double	   *values = ml_alloc_array(ctx, MANY, sizeof(double));
	const MlPreparedColumn *direct;
	const MlPreparedColumn *stepped;
	MlRandom	random;
	size_t		size;
	size_t		other;

	ml_random_seed(&random, 3);
	for (size_t i = 0; i < MANY; i++)
		values[i] = i % 17 == 0 ? NAN : ml_random_double(&random) * 10 - 3;
	for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++)
	{
		MlContext  *one = unit_context(1);
		MlContext  *four = unit_context(4);
		void	   *bytes = stored(one, fit_many(one, values, steps[s]), &size);
		void	   *same = stored(four, fit_many(four, values, steps[s]), &other);

		CHECK(size == other && memcmp(bytes, same, size) == 0);
	}
	for (size_t i = 0; i < MANY; i++)
		values[i] = values[i] == values[i] ? values[i] : 0.5;
	stepped = ml_prep_column(fit_many(ctx, values, "{\"number\": {\"impute\": \"median\", \"clip_values\": [-1, 2], \"scale\": \"robust\"}}"), 0);
	for (size_t i = 0; i < MANY; i++)
		values[i] = values[i] < -1 ? -1 : values[i] > 2 ? 2 : values[i];
	direct = ml_prep_column(fit_many(ctx, values, "{\"number\": {\"scale\": \"robust\"}}"), 0);
	CHECK(direct->center == stepped->center && direct->scale == stepped->scale && direct->scale > 1 && direct->mean == stepped->mean);
}

/* A training row's code is encoded without the part that the row is in; another row's by all. */
static void
test_target(MlContext *ctx)
{
	Data	   *data = make_data(ctx);
	MlPrep	   *prep = fit(ctx, data, "{\"drop\": [\"x\"], \"missing_indicator\": false, \"category\": {\"encode\": \"target\", \"smoothing\": 3}}", false);
	const MlStep *s = &ml_prep_term(prep, 0)->factors[0].steps[0];

	CHECK(ml_prep_columns(prep) == 1 && s->kind == ML_STEP_ENCODE && ml_prep_knows_target(prep));
	for (int i = 0; i < 40; i++)
	{
		double		sums[2] = {0};
		double		counts[2] = {0};
		double		all[2] = {0};
		double		rows[2] = {0};
		const char *label = data->code[i] == data->code[i] ? data->dictionary->strings[(int) data->code[i]] : NULL;
		double		level = label != NULL ? ml_prep_encode(prep, 1, label, strlen(label)) : NAN;
		double		x;

		for (int k = 0; k < ROWS; k++)
		{
			bool		same = data->code[k] == data->code[i] || (data->code[k] != data->code[k] && data->code[i] != data->code[i]);

			for (int way = 0; way < 2; way++)
				if (way == 0 || data->folds[k] != data->folds[i])
				{
					all[way] += data->y[k];
					rows[way] += 1;
					sums[way] += same ? data->y[k] : 0;
					counts[way] += same;
				}
		}
		for (int way = 0; way < 2; way++)
		{
			x = level;
			ml_step_apply(s, &x, 1, way == 1 ? &data->folds[i] : NULL);
			CHECK_NEAR(x, (sums[way] + 3 * all[way] / rows[way]) / (counts[way] + 3), 1e-12);
		}
	}
}

/* ---------------------------------------------------------------- forward fill */

/* The rows of a training, or the same as those of a prediction. */
typedef struct Rows
{
	MlRawBlock	block;			/* MUST BE FIRST */
	const Data *data;
	const MlPrep *prep;
	size_t		begin;
} Rows;

static const double *
slot_of_rows(const MlRawBlock *block, int slot, size_t n, double *buffer)
{
	const Rows *rows = (const Rows *) block;

	for (size_t i = 0; i < n; i++)
	{
		double		code = rows->data->code[rows->begin + i];
		const char *label = code == code ? rows->data->dictionary->strings[(int) code] : NULL;

		buffer[i] = slot == 0 ? rows->data->x[rows->begin + i] : label != NULL ? ml_prep_encode(rows->prep, 1, label, strlen(label)) : NAN;
	}
	return buffer;
}

/* A prepared column of the data; n <= ML_TERM_ROWS. */
static void
prepare(const Data *data, const MlPrep *prep, int column, bool training, size_t begin, size_t n, double *out)
{
	Rows		rows = {.block = {.slot = slot_of_rows,.rows = training ? data->rows + begin : NULL},.data = data,.prep = prep,.begin = begin};

	ml_prep_apply_block(prep, column, &rows.block, n, out);
}

static bool
same_group(const Data *data, int i, int k)
{
	return data->code[i] == data->code[k] || (data->code[i] != data->code[i] && data->code[k] != data->code[k]);
}

/* The largest value of the last moment up to a time that has one, in the group of row i (all = of all rows); NaN = none. */
static double
last_known(const Data *data, int i, double until, bool all)
{
	double		time = -1;
	double		value = NAN;

	for (int k = 0; k < ROWS; k++)
	{
		if (data->x[k] != data->x[k] || data->time[k] > until || data->time[k] < time || !(all || same_group(data, i, k)))
			continue;
		if (data->time[k] > time || data->x[k] > value)
			value = data->x[k];
		time = data->time[k];
	}
	return value;
}

/* Training rows take the value before them, other rows the last one; both by group. */
static void
test_forward(MlContext *ctx)
{
	Data	   *data = make_data(ctx);
	double		mean = 0;
	int			known = 0;
	int			leading = 0;

	/* some groups begin without a value, and one never has any */
	for (int i = 0; i < ROWS; i++)
		if (data->time[i] < 30 || data->code[i] == 7)
			data->x[i] = NAN;
	for (int i = 0; i < ROWS; i++)
		if (data->x[i] == data->x[i])
		{
			mean += data->x[i];
			known++;
		}
	mean /= known;
	for (int way = 0; way < 4; way++)
	{
		const MlPrep *prep = fit(ctx, data, way % 2 == 0 ?
								 "{\"missing_indicator\": false, \"drop\": [\"c\"], \"columns\": {\"x\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"group_by\": \"c\"}}}" :
								 "{\"missing_indicator\": false, \"drop\": [\"c\"], \"columns\": {\"x\": {\"impute\": \"forward_fill\", \"order_by\": \"t\"}}}", way >= 2);

		CHECK(ml_prep_columns(prep) == 1 && ml_prep_fills_forward(prep));
		for (size_t begin = 0; begin < ROWS; begin += 200)
		{
			double		as_training[200];
			double		as_other[200];

			prepare(data, prep, 0, true, begin, 200, as_training);
			prepare(data, prep, 0, false, begin, 200, as_other);
			for (int k = 0; k < 200; k++)
			{
				int			i = (int) begin + k;
				double		before = last_known(data, i, data->time[i], way % 2 == 1);
				double		last = last_known(data, i, INFINITY, way % 2 == 1);

				leading += before != before;
				CHECK_NEAR(as_training[k], data->x[i] == data->x[i] ? data->x[i] : before == before ? before : mean, 1e-12);
				CHECK(as_other[k] == (data->x[i] == data->x[i] ? data->x[i] : last == last ? last : last_known(data, i, INFINITY, true)));
			}
		}
	}
	CHECK(leading > 100);
}

/* A category of levels that is filled says the same of a row that is filled by hand. */
static void
test_forward_levels(MlContext *ctx)
{
	Data	   *data = make_data(ctx);

	for (int native = 0; native < 2; native++)
	{
		const MlPrep *prep = fit(ctx, data, "{\"drop\": [\"x\"], \"category\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"max_categories\": 30}}", native);
		const MlTerm *term = ml_prep_term(prep, 0);
		const MlFill *f = term->factors[0].steps[0].fill;

		CHECK(ml_prep_columns(prep) == (native ? 1 : 30) && f->nfilled == (size_t) data->nulls);
		CHECK(!ml_prep_feature_has_null(prep, 1) && strcmp(ml_prep_feature_level_name(prep, 1, 30), "(other)") == 0);
		for (int j = 0; j < ml_prep_columns(prep); j++)
		{
			double		x[200];

			prepare(data, prep, j, true, 0, 200, x);
			for (int i = 0; i < 200; i++)
			{
				const char *label = data->code[i] == data->code[i] ? data->dictionary->strings[(int) data->code[i]] : NULL;
				double		time = -1;
				double		level;

				/* of several strings at one moment the last by its bytes */
				for (int k = 0; k < ROWS && data->code[i] != data->code[i]; k++)
				{
					const char *other = data->code[k] == data->code[k] ? data->dictionary->strings[(int) data->code[k]] : NULL;

					if (other == NULL || data->time[k] > data->time[i] || data->time[k] < time)
						continue;
					if (data->time[k] > time || strcmp(other, label) > 0)
						label = other;
					time = data->time[k];
				}
				if (label == NULL)
					continue;
				level = ml_prep_encode(prep, 1, label, strlen(label));
				CHECK(x[i] == (native ? level : level == ml_prep_column(prep, j)->level));
			}
			CHECK(ml_prep_of_null(prep, j) == (native ? f->last : f->last == ml_prep_column(prep, j)->level));
		}
	}
}

/* ---------------------------------------------------------------- the whole */

static const char *const asked[] = {
	"{\"number\": {\"impute\": \"median\", \"clip\": [0.1, 0.9], \"transform\": \"yeo_johnson\", \"scale\": \"robust\"}, \"category\": {\"encode\": \"target\"}}",
	"{\"number\": {\"bin\": {\"n\": 7, \"as\": \"one_hot\"}}, \"category\": {\"encode\": \"hash\", \"buckets\": 5, \"missing_indicator\": true}}",
	"{\"number\": {\"impute\": \"mode\", \"bin\": {\"edges\": [10, 20.5]}}, \"category\": {\"encode\": \"frequency\", \"impute\": \"mode\", \"scale\": \"minmax\"}}",
	"{\"number\": {\"transform\": \"log1p\"}, \"category\": {\"encode\": \"label\"}, \"interactions\": [[\"x\", \"c\"]], \"polynomial\": {\"degree\": 3}}",
	"{\"number\": {\"scale\": \"maxabs\"}, \"category\": {\"impute\": \"constant\", \"fill\": \"k7\", \"max_categories\": 9}, \"select\": {\"correlation\": 0.9, \"mutual_information\": 4}}",
	"{\"number\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"group_by\": \"c\"}, \"category\": {\"impute\": \"forward_fill\", \"order_by\": \"t\"}, \"interactions\": [[\"x\", \"x\"]]}",
};

#define ASKED ((int) (sizeof asked / sizeof asked[0]))

/* One row gives the bits of many, and what is stored gives them again; so do the same bytes when written again. */
static void
test_stored(MlContext *ctx)
{
	Data	   *data = make_data(ctx);

	for (int k = 0; k < 2 * ASKED; k++)
	{
		const MlPrep *prep = fit(ctx, data, asked[k / 2], k % 2 == 1);
		size_t		p = (size_t) ml_prep_columns(prep);
		size_t		size;
		size_t		again_size;
		void	   *bytes = stored(ctx, prep, &size);
		const MlPrep *again = ml_prep_read(ctx, ml_document_root(bytes), data->features, 2);
		void	   *again_bytes = stored(ctx, again, &again_size);
		double	   *raw = ml_alloc_array(ctx, 2 * ROWS, sizeof(double));
		double	   *many = ml_alloc_array(ctx, p * ROWS, sizeof(double));
		double	   *one = ml_alloc_array(ctx, p * ROWS, sizeof(double));

		CHECK(p > 0 && size == again_size && memcmp(bytes, again_bytes, size) == 0);
		for (int i = 0; i < ROWS; i++)
		{
			const char *label = data->code[i] == data->code[i] ? data->dictionary->strings[(int) data->code[i]] : i % 2 ? "never seen" : NULL;

			raw[i] = i % 50 == 1 ? -1e6 : data->x[i];
			raw[ROWS + i] = label != NULL ? ml_prep_encode(prep, 1, label, strlen(label)) : NAN;
			CHECK(label == NULL || ml_prep_encode(again, 1, label, strlen(label)) == raw[ROWS + i]);
		}
		ml_prep_apply(prep, raw, ROWS, ROWS, many, ROWS);
		for (int i = 0; i < ROWS; i++)
			ml_prep_apply(again, raw + i, ROWS, 1, one + i, ROWS);
		CHECK(memcmp(many, one, p * ROWS * sizeof(double)) == 0);
		if (k % 2 == 0)
			for (size_t i = 0; i < p * ROWS; i++)
				CHECK(isfinite(many[i]));
	}
}

/* Whatever byte is wrong: an error, or a preparation that can be used. */
static void
try_bytes(MlContext *ctx, const Data *data, const void *bytes)
{
	const MlPrep *prep = ml_prep_read(ctx, ml_document_root(bytes), data->features, 2);
	double		raw[2] = {3, 1};
	double	   *x = ml_alloc_array(ctx, (size_t) ml_prep_columns(prep) + 1, sizeof(double));

	ml_prep_apply(prep, raw, 1, 1, x, 1);
	raw[0] = raw[1] = NAN;
	ml_prep_apply(prep, raw, 1, 1, x, 1);
}

static void
test_corrupted(MlContext *ctx)
{
	Data	   *data = make_data(ctx);
	int			refused = 0;

	for (int k = 0; k < 2 * ASKED; k++)
	{
		size_t		size;
		uint8_t    *bytes = stored(ctx, fit(ctx, data, asked[k / 2], k % 2 == 1), &size);

		for (size_t at = 0; at < size; at += size > 4000 ? 7 : 1)
		{
			uint8_t		was = bytes[at];

			bytes[at] = (uint8_t) (was ^ (1u << (at % 8)));
			if (ml_document_check(bytes, size) == NULL)
			{
				jmp_buf		entry;
				jmp_buf    *outer = unit_entry;

				if (setjmp(entry) == 0)
				{
					unit_entry = &entry;
					try_bytes(ctx, data, bytes);
				}
				else
				{
					refused++;
					CHECK(unit_error.code == ML_ERROR_CORRUPTED);
				}
				unit_entry = outer;
			}
			bytes[at] = was;
		}
	}
	CHECK(refused > 100);
}

/* What contradicts itself or the data. */
static void
test_refused(MlContext *ctx)
{
	static const struct
	{
		const char *preprocess;
		MlErrorCode code;
	}			cases[] = {
		{"{\"columns\": {\"z\": {\"drop\": true}}}", ML_ERROR_UNDEFINED},
		{"{\"columns\": {\"x\": {\"dropp\": true}}}", ML_ERROR_UNDEFINED},
		{"{\"columns\": {\"x\": 1}}", ML_ERROR_WRONG_TYPE},
		{"{\"columns\": {\"x\": {\"encode\": \"label\"}}}", ML_ERROR_WRONG_TYPE},
		{"{\"columns\": {\"c\": {\"clip\": [0, 1]}}}", ML_ERROR_WRONG_TYPE},
		{"{\"columns\": {\"x\": {\"impute\": \"error\"}}}", ML_ERROR_INVALID_DATA},
		{"{\"columns\": {\"c\": {\"encode\": \"ordinal\", \"order\": [\"k1\"]}}}", ML_ERROR_INVALID_DATA},
		{"{\"columns\": {\"c\": {\"impute\": \"constant\", \"fill\": \"new\"}}}", ML_ERROR_INVALID_DATA},
		{"{\"columns\": {\"x\": {\"clip_values\": [-9, 5]}}, \"number\": {\"transform\": \"box_cox\", \"fill\": 1}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"columns\": {\"x\": {\"impute\": \"constant\", \"fill\": -3, \"transform\": \"log1p\"}}}", ML_ERROR_INVALID_DATA},
		{"{\"interactions\": [[\"x\", \"c\"]]}", ML_ERROR_INVALID_PARAMETER},
		{"{\"polynomial\": {\"columns\": [\"x\", \"x\"]}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"number\": {\"impute\": \"forward_fill\"}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"number\": {\"order_by\": \"t\"}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"number\": {\"impute\": \"forward_fill\", \"order_by\": \"u\"}}", ML_ERROR_UNSUPPORTED},
		{"{\"number\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"group_by\": \"g\"}}", ML_ERROR_UNDEFINED},
		{"{\"columns\": {\"x\": {\"impute\": \"forward_fill\", \"order_by\": \"x\"}}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"number\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"group_by\": \"c\"}, \"category\": {\"encode\": \"hash\"}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"transform\": \"t\", \"scale\": \"none\"}", ML_ERROR_INVALID_PARAMETER},
		{"{\"category\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"encode\": \"hash\"}}", ML_ERROR_INVALID_PARAMETER},
		{"{\"transform\": 1}", ML_ERROR_WRONG_TYPE},
		{"{\"transform\": null}", ML_ERROR_WRONG_TYPE},
		{"{\"select\": {\"mutual_information\": 1.5}}", ML_ERROR_WRONG_TYPE},
	};
	Data	   *data = make_data(ctx);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_RAISES(ctx, cases[i].code, fit(ctx, data, cases[i].preprocess, false));
}

UNIT_MAIN(test_dates, test_transforms, test_powers, test_many, test_target, test_forward, test_forward_levels, test_stored, test_corrupted, test_refused)
