/*
 * Distribution functions, double precision, relative error below 1e-12 over the
 * ranges of the golden references, tails included (no 1 - p cancellation).
 * Sources: W. J. Cody's rational approximations for erfc; Lentz's continued
 * fractions for the incomplete beta and gamma functions (DLMF 8.9, 8.17).
 */
#ifndef ML_DISTRIBUTIONS_H
#define ML_DISTRIBUTIONS_H

extern double ml_normal_cdf(double x);
extern double ml_normal_quantile(double p);			/* 0 < p < 1 */
extern double ml_normal_two_sided_p(double z);		/* P(|Z| > |z|) */
extern double ml_student_t_two_sided_p(double t, double df);
extern double ml_student_t_quantile(double p, double df);
extern double ml_f_upper_p(double f, double df1, double df2);	/* P(F > f) */
extern double ml_chi2_upper_p(double x, double df);	/* P(X > x) */

#endif
