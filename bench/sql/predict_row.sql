\set id random(1, 1000)
SELECT ml_predict('bench_single', t) FROM reg1m t WHERE id = :id;
