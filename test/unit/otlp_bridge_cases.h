/*
 * otlp_bridge_cases.h
 *	  Cases of test_otlp_bridge.c, which says how they are to be read.
 */

static const Case number_cases[] = {
	{"a gauge of integers", "", "gauge g\npoint @k=v time=1000 int=5\n",
	 "g{k=\"v\"} 5 @1000\n"},
	{"a gauge of doubles", "", "gauge g\npoint @k=v time=1000 double=-1.5\n",
	 "g{k=\"v\"} -1.5 @1000\n"},
	{"several series, and one of them again", "",
	 "gauge g\npoint @k=a time=1 int=1\npoint @k=b time=1 int=2\npoint @k=a time=2 int=3\n",
	 "g{k=\"a\"} 1 @1\ng{k=\"b\"} 2 @1\ng{k=\"a\"} 3 @2\n"},
	{"a gauge has no start time", "", "gauge g\npoint start=500 time=1000 int=5\n",
	 "g 5 @1000\n"},
	{"a monotonic sum is a counter with a start time", "",
	 "sum s cumulative monotonic\npoint start=500 time=1000 int=5\n",
	 "s_total 5 @1000 start=500\n"},
	{"a sum that is not monotonic has a plain name", "",
	 "sum s cumulative\npoint start=500 time=1000 double=-5\n", "s -5 @1000 start=500\n"},
	{"a sum without a start time", "",
	 "sum s cumulative monotonic\npoint time=1000 int=5\n", "s_total 5 @1000\n"},
	{"a sum needs a temporality", "",
	 "sum s monotonic\npoint time=1 int=5\npoint time=2 int=6\n",
	 "! 2 metric \"s\": aggregation temporality is not specified\n"},
	{"other metrics do not suffer from it", "",
	 "sum s\npoint time=1 int=5\ngauge g\npoint time=1 int=6\n",
	 "! 1 metric \"s\": aggregation temporality is not specified\ng 6 @1\n"},
	{"large integers become the next double", "",
	 "gauge g\npoint time=1 int=9007199254740993\npoint time=2 int=-9223372036854775808\n",
	 "g 9.007199254740992e+15 @1\n"
	 "g -9.223372036854776e+18 @2\n"},
	{"what is no finite number", "",
	 "gauge g\npoint time=1 double=nan\npoint time=2 double=inf\npoint time=3 double=-inf\n",
	 "g NaN @1\ng +Inf @2\ng -Inf @3\n"},
	{"of two values the last one counts", "",
	 "gauge g\npoint time=1 int=1 double=2.5\npoint time=1 double=2.5 int=3\n",
	 "g 2.5 @1\ng 3 @1\n"},
	{"times are whole milliseconds", "",
	 "gauge g\npoint timens=1999999 int=1\npoint timens=999999 int=2\n",
	 "g 1 @1\ng 2 @0\n"},
	{"a point without a time is refused, and no other", "",
	 "gauge g\npoint int=1\npoint time=2 int=2\n",
	 "! 1 metric \"g\": data point has no time\ng 2 @2\n"},
	{"times go on for as long as they can", "",
	 "gauge g\npoint timens=18446744073709551615 int=1\n", "g 1 @18446744073709\n"},
	{"a gauge's value was not recorded", "", "gauge g\npoint time=1 flags=1\n",
	 "g stale @1\n"},
	{"a sum's value was not recorded", "",
	 "sum s cumulative monotonic\npoint start=1 time=2 int=7 flags=1\n",
	 "s_total stale @2 start=1\n"},
	{"other flags mean nothing", "", "gauge g\npoint time=1 int=7 flags=6\n", "g 7 @1\n"},
	{"a point without a value is refused, and no other", "",
	 "gauge g\npoint time=1 int=1\npoint time=2\npoint time=3 int=3\n",
	 "g 1 @1\n! 1 metric \"g\": data point has no value\ng 3 @3\n"},
	{"a metric without a name is refused", "", "gauge\npoint time=1 int=1\n",
	 "! 1 metric \"\": a metric needs a name\n"},
	{"a metric without points is nothing", "", "sum s\ngauge g\n", ""},
	{"exemplars of a sum are its own", "",
	 "sum s cumulative monotonic\npoint @k=v time=1 int=5\n"
	 "exemplar int=3 time=4 trace=0102030405060708090a0b0c0d0e0f10 span=1112131415161718\n"
	 "exemplar double=1.5 @who=me\n",
	 "s_total{k=\"v\"} 5 @1\n"
	 "  exemplar s_total{k=\"v\"} {span_id=\"1112131415161718\","
	 "trace_id=\"0102030405060708090a0b0c0d0e0f10\"} 3 @4\n"
	 "  exemplar s_total{k=\"v\"} {who=\"me\"} 1.5 @0\n"},
	{"exemplars of a gauge are dropped", "",
	 "gauge g\npoint time=1 int=5\nexemplar int=3 time=4\n", "g 5 @1\n"},
	{"an exemplar without a value is dropped", "",
	 "sum s cumulative\npoint time=1 int=5\nexemplar time=4 @a=b\nexemplar int=6\n",
	 "s 5 @1\n  exemplar s {} 6 @0\n"},
	{"more points than are read ahead", "",
	 "gauge g\npoint time=1 int=1\npoint time=2 int=2\npoint time=3 int=3\n"
	 "point time=4 int=4\npoint time=5 int=5\npoint time=6 int=6\npoint time=7 int=7\n"
	 "point time=8 int=8\npoint time=9 int=9\npoint time=10 int=10\npoint time=11 int=11\n"
	 "point time=12 int=12\npoint time=13 int=13\npoint time=14 int=14\n"
	 "point time=15 int=15\npoint time=16 int=16\npoint time=17\npoint time=18 int=18\n",
	 "g 1 @1\ng 2 @2\ng 3 @3\ng 4 @4\ng 5 @5\ng 6 @6\ng 7 @7\ng 8 @8\ng 9 @9\ng 10 @10\n"
	 "g 11 @11\ng 12 @12\ng 13 @13\ng 14 @14\ng 15 @15\ng 16 @16\n"
	 "! 1 metric \"g\": data point has no value\ng 18 @18\n"},
};

static const Case classic_cases[] = {
	{"buckets are cumulative, and the last one is all", "",
	 "histogram h cumulative\n"
	 "point @k=v start=5 time=9 count=6 sum=10.5 bounds=1,2.5 counts=1,2,3\n",
	 "h_count{k=\"v\"} 6 @9 start=5\n"
	 "h_sum{k=\"v\"} 10.5 @9 start=5\n"
	 "h_bucket{k=\"v\",le=\"1\"} 1 @9 start=5\n"
	 "h_bucket{k=\"v\",le=\"2.5\"} 3 @9 start=5\n"
	 "h_bucket{k=\"v\",le=\"+Inf\"} 6 @9 start=5\n"},
	{"no sum is no series", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=1 counts=1,2\n",
	 "h_count 3 @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"+Inf\"} 3 @9\n"},
	{"a sum of 0 is one", "",
	 "histogram h cumulative\npoint time=9 count=3 sum=0 bounds=1 counts=1,2\n",
	 "h_count 3 @9\nh_sum 0 @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"+Inf\"} 3 @9\n"},
	{"without buckets there is the one that has all", "",
	 "histogram h cumulative\npoint time=9 count=3 sum=4\n",
	 "h_count 3 @9\nh_sum 4 @9\nh_bucket{le=\"+Inf\"} 3 @9\n"},
	{"one bucket and no bounds", "",
	 "histogram h cumulative\npoint time=9 count=3 sum=4 counts=3\n",
	 "h_count 3 @9\nh_sum 4 @9\nh_bucket{le=\"+Inf\"} 3 @9\n"},
	{"bounds without counts are nothing", "",
	 "histogram h cumulative\npoint time=9 count=3 sum=4 bounds=1,2\n",
	 "h_count 3 @9\nh_sum 4 @9\nh_bucket{le=\"+Inf\"} 3 @9\n"},
	{"bounds are written without exponents", "",
	 "histogram h cumulative\n"
	 "point time=9 count=0 bounds=-0.5,0.000001,1e21 counts=0,0,0,0\n",
	 "h_count 0 @9\nh_bucket{le=\"-0.5\"} 0 @9\nh_bucket{le=\"0.000001\"} 0 @9\n"
	 "h_bucket{le=\"1000000000000000000000\"} 0 @9\nh_bucket{le=\"+Inf\"} 0 @9\n"},
	{"a bound of +Inf is the one that is there anyway", "",
	 "histogram h cumulative\npoint time=9 count=6 bounds=1,inf counts=1,2,3\n",
	 "h_count 6 @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"+Inf\"} 6 @9\n"},
	{"observations that are no numbers are in no other bucket", "",
	 "histogram h cumulative\npoint time=9 count=5 sum=nan bounds=1 counts=1,2\n",
	 "h_count 5 @9\nh_sum NaN @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"+Inf\"} 5 @9\n"},
	{"more in buckets than in all is refused", "",
	 "histogram h cumulative\npoint time=9 count=2 bounds=1 counts=1,2\n",
	 "! 1 metric \"h\": buckets of a histogram hold more than its count of 2\n"},
	{"counts beyond 64 bits are refused", "",
	 "histogram h cumulative\n"
	 "point time=9 count=1 bounds=1 counts=18446744073709551615,2\n",
	 "! 1 metric \"h\": buckets of a histogram hold more than its count of 1\n"},
	{"bounds and counts that do not fit are refused", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=1,2 counts=1,2\n",
	 "! 1 metric \"h\": histogram has 2 bounds and 2 buckets, where one more than bounds "
	 "belongs\n"},
	{"bounds in another order are refused", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=2,1 counts=1,1,1\n",
	 "! 1 metric \"h\": bounds of a histogram are not in ascending order\n"},
	{"a bound that is no number is refused", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=nan counts=1,2\n",
	 "! 1 metric \"h\": bounds of a histogram are not in ascending order\n"},
	{"equal bounds are refused", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=1,1 counts=1,1,1\n",
	 "! 1 metric \"h\": bounds of a histogram are not in ascending order\n"},
	{"nothing was recorded, but the buckets are known", "",
	 "histogram h cumulative\npoint time=9 flags=1 bounds=1 counts=0,0\n",
	 "h_count stale @9\nh_sum stale @9\nh_bucket{le=\"1\"} stale @9\n"
	 "h_bucket{le=\"+Inf\"} stale @9\n"},
	{"nothing was recorded, and the counts are missing", "",
	 "histogram h cumulative\npoint time=9 flags=1 bounds=1\n",
	 "h_count stale @9\nh_sum stale @9\nh_bucket{le=\"1\"} stale @9\n"
	 "h_bucket{le=\"+Inf\"} stale @9\n"},
	{"nothing was recorded, and buckets are not known", "",
	 "histogram h cumulative\npoint time=9 flags=1\n",
	 "h_count stale @9\nh_sum stale @9\nh_bucket{le=\"+Inf\"} stale @9\n"},
	{"min and max are dropped", "",
	 "histogram h cumulative\npoint time=9 count=1 sum=4 min=4 max=4\n",
	 "h_count 1 @9\nh_sum 4 @9\nh_bucket{le=\"+Inf\"} 1 @9\n"},
	{"min and max are gauges where they are asked for", "min_max",
	 "histogram h cumulative\npoint start=3 time=9 count=1 sum=4 min=3 max=5\n",
	 "h_count 1 @9 start=3\nh_sum 4 @9 start=3\nh_bucket{le=\"+Inf\"} 1 @9 start=3\n"
	 "h_min 3 @9\nh_max 5 @9\n"},
	{"only one of them is there", "min_max",
	 "histogram h cumulative\npoint time=9 count=1 max=5\n",
	 "h_count 1 @9\nh_bucket{le=\"+Inf\"} 1 @9\nh_max 5 @9\n"},
	{"an exemplar is of the first bucket that has it", "",
	 "histogram h cumulative\npoint time=9 count=3 bounds=1,2 counts=1,1,1\n"
	 "exemplar double=2 @a=1\nexemplar int=1 @a=2\nexemplar double=2.5 @a=3\n"
	 "exemplar double=nan @a=4\n",
	 "h_count 3 @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"2\"} 2 @9\n"
	 "h_bucket{le=\"+Inf\"} 3 @9\n"
	 "  exemplar h_bucket{le=\"2\"} {a=\"1\"} 2 @0\n"
	 "  exemplar h_bucket{le=\"1\"} {a=\"2\"} 1 @0\n"
	 "  exemplar h_bucket{le=\"+Inf\"} {a=\"3\"} 2.5 @0\n"
	 "  exemplar h_bucket{le=\"+Inf\"} {a=\"4\"} NaN @0\n"},
	{"an attribute le gives way to the bucket's", "",
	 "histogram h cumulative\npoint @le=x time=9 count=1 bounds=1 counts=1,0\n",
	 "h_count{le=\"x\"} 1 @9\nh_bucket{le=\"1\"} 1 @9\nh_bucket{le=\"+Inf\"} 1 @9\n"},
	{"a histogram needs a temporality", "", "histogram h\npoint time=9 count=1\n",
	 "! 1 metric \"h\": aggregation temporality is not specified\n"},
};

static const Case custom_cases[] = {
	{"bounds are kept", "nhcb",
	 "histogram h cumulative\n"
	 "point @k=v start=5 time=9 count=6 sum=10.5 bounds=1,2.5 counts=1,2,3\n",
	 "h{k=\"v\"} {{schema:-53 count:6 sum:10.5 custom_values:[1 2.5] buckets:[1 2 3] "
	 "counts:integer}} @9 start=5\n"},
	{"empty buckets at the ends are left out", "nhcb",
	 "histogram h cumulative\n"
	 "point time=9 count=3 sum=4 bounds=1,2,3,4 counts=0,0,3,0,0\n",
	 "h {{schema:-53 count:3 sum:4 custom_values:[1 2 3 4] offset:2 buckets:[3] "
	 "counts:integer}} @9\n"},
	{"so they are between others, if there are three", "nhcb",
	 "histogram h cumulative\n"
	 "point time=9 count=3 sum=4 bounds=1,2,3,4,5,6,7 counts=1,0,0,1,0,0,0,1\n",
	 "h {{schema:-53 count:3 sum:4 custom_values:[1 2 3 4 5 6 7] buckets:[1 0 0 1 _x3 1] counts:integer}} @9\n"},
	{"without buckets there is the one that has all", "nhcb",
	 "histogram h cumulative\npoint time=9 count=3 sum=4\n",
	 "h {{schema:-53 count:3 sum:4 custom_values:[] buckets:[3] counts:integer}} @9\n"},
	{"nothing was observed yet", "nhcb",
	 "histogram h cumulative\npoint time=9 count=0 sum=0 bounds=1 counts=0,0\n",
	 "h {{schema:-53 count:0 sum:0 custom_values:[1] counts:integer}} @9\n"},
	{"no sum is a sum of 0", "nhcb",
	 "histogram h cumulative\npoint time=9 count=1 bounds=1 counts=1,0\n",
	 "h {{schema:-53 count:1 sum:0 custom_values:[1] buckets:[1] counts:integer}} @9\n"},
	{"a bound of +Inf goes without saying", "nhcb",
	 "histogram h cumulative\npoint time=9 count=3 sum=1 bounds=1,inf counts=1,2,0\n",
	 "h {{schema:-53 count:3 sum:1 custom_values:[1] buckets:[1 2] counts:integer}} @9\n"},
	{"counts that do not add up are refused", "nhcb",
	 "histogram h cumulative\npoint time=9 count=5 sum=1 bounds=1 counts=1,2\n",
	 "! 1 metric \"h\": invalid histogram: 3 observations are in buckets, but the "
	 "observation count is 5\n"},
	{"unless observations are no numbers", "nhcb",
	 "histogram h cumulative\npoint time=9 count=5 sum=nan bounds=1 counts=1,2\n",
	 "h {{schema:-53 count:5 sum:NaN custom_values:[1] buckets:[1 2] counts:integer}} @9\n"},
	{"nothing was recorded", "nhcb",
	 "histogram h cumulative\npoint time=9 flags=1 bounds=1 counts=0,0\n",
	 "h {{schema:0 count:0 sum:stale counts:integer}} @9\n"},
	{"exemplars are the histogram's own", "nhcb",
	 "histogram h cumulative\npoint time=9 count=1 sum=1 bounds=1 counts=1,0\n"
	 "exemplar double=1 @a=b\n",
	 "h {{schema:-53 count:1 sum:1 custom_values:[1] buckets:[1] counts:integer}} @9\n"
	 "  exemplar h {a=\"b\"} 1 @0\n"},
	{"min and max", "nhcb min_max",
	 "histogram h cumulative\npoint time=9 count=1 sum=1 min=1 max=2\n",
	 "h {{schema:-53 count:1 sum:1 custom_values:[] buckets:[1] counts:integer}} @9\n"
	 "h_min 1 @9\n"
	 "h_max 2 @9\n"},
};

static const Case exponential_cases[] = {
	{"buckets are counted from one on", "",
	 "exponential h cumulative\n"
	 "point @k=v start=5 time=9 count=6 sum=10.5 scale=3 zero=1 pos=0:1,2 neg=-3:2\n",
	 "h{k=\"v\"} {{schema:3 count:6 sum:10.5 z_bucket:1 z_bucket_w:1e-128 offset:1 "
	 "buckets:[1 2] n_offset:-2 n_buckets:[2] counts:integer}} @9 start=5\n"},
	{"a zero threshold is kept", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=0 zero=1 threshold=0.25\n",
	 "h {{schema:0 count:1 sum:0 z_bucket:1 z_bucket_w:0.25 counts:integer}} @9\n"},
	{"the coarsest scale", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 scale=-4 pos=0:1\n",
	 "h {{schema:-4 count:1 sum:1 z_bucket_w:1e-128 offset:1 buckets:[1] "
	 "counts:integer}} @9\n"},
	{"what is coarser is refused", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 scale=-5 pos=0:1\n",
	 "! 1 metric \"h\": histogram has scale -5, and what is coarser than -4 cannot be "
	 "kept\n"},
	{"a finer scale becomes 8: pairs of buckets", "",
	 "exponential h cumulative\npoint time=9 count=10 sum=1 scale=9 pos=0:1,2,3,4\n",
	 "h {{schema:8 count:10 sum:1 z_bucket_w:1e-128 offset:1 buckets:[3 7] "
	 "counts:integer}} @9\n"},
	{"pairs begin at even offsets", "",
	 "exponential h cumulative\npoint time=9 count=10 sum=1 scale=9 pos=1:1,2,3,4\n",
	 "h {{schema:8 count:10 sum:1 z_bucket_w:1e-128 offset:1 buckets:[1 5 4] "
	 "counts:integer}} @9\n"},
	{"also below zero", "",
	 "exponential h cumulative\npoint time=9 count=10 sum=1 scale=9 pos=-3:1,2,3,4\n",
	 "h {{schema:8 count:10 sum:1 z_bucket_w:1e-128 offset:-1 buckets:[1 5 4] "
	 "counts:integer}} @9\n"},
	{"the finest scale there is", "",
	 "exponential h cumulative\n"
	 "point time=9 count=3 sum=1 scale=20 pos=4095:1,2 neg=-1:0\n",
	 "h {{schema:8 count:3 sum:1 z_bucket_w:1e-128 offset:1 buckets:[1 2] "
	 "counts:integer}} @9\n"},
	{"one that leaves two buckets only", "",
	 "exponential h cumulative\npoint time=9 count=6 sum=1 scale=127 pos=-1:1,2,3\n",
	 "h {{schema:8 count:6 sum:1 z_bucket_w:1e-128 buckets:[1 5] counts:integer}} @9\n"},
	{"there is no such scale", "",
	 "exponential h cumulative\npoint time=9 count=0 scale=128\n",
	 "! 1 metric \"h\": there is no histogram scale 128\n"},
	{"gaps of empty buckets", "",
	 "exponential h cumulative\n"
	 "point time=9 count=4 sum=1 pos=10:0,1,0,0,1,0,0,0,2,0\n",
	 "h {{schema:0 count:4 sum:1 z_bucket_w:1e-128 offset:12 buckets:[1 0 0 1 _x3 2] counts:integer}} @9\n"},
	{"empty buckets are nothing", "",
	 "exponential h cumulative\npoint time=9 count=0 sum=0 pos=10:0,0 neg=-5:0\n",
	 "h {{schema:0 count:0 sum:0 z_bucket_w:1e-128 counts:integer}} @9\n"},
	{"no sum is a sum of 0", "",
	 "exponential h cumulative\npoint time=9 count=1 pos=0:1\n",
	 "h {{schema:0 count:1 sum:0 z_bucket_w:1e-128 offset:1 buckets:[1] counts:integer}} @9\n"},
	{"more in buckets than in all is refused", "",
	 "exponential h cumulative\npoint time=9 count=3 sum=1 zero=2 pos=0:1 neg=0:1\n",
	 "! 1 metric \"h\": buckets of a histogram hold more than its count of 3\n"},
	{"less is, too", "",
	 "exponential h cumulative\npoint time=9 count=5 sum=1 zero=2 pos=0:1 neg=0:1\n",
	 "! 1 metric \"h\": invalid histogram: 4 observations are in buckets, but the "
	 "observation count is 5\n"},
	{"unless observations are no numbers", "",
	 "exponential h cumulative\npoint time=9 count=5 sum=nan zero=2 pos=0:1 neg=0:1\n",
	 "h {{schema:0 count:5 sum:NaN z_bucket:2 z_bucket_w:1e-128 offset:1 buckets:[1] n_offset:1 n_buckets:[1] counts:integer}} @9\n"},
	{"the last index that is kept", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 pos=1073741822:1\n",
	 "h {{schema:0 count:1 sum:1 z_bucket_w:1e-128 offset:1073741823 buckets:[1] "
	 "counts:integer}} @9\n"},
	{"and one behind it", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 pos=1073741823:1\n",
	 "! 1 metric \"h\": invalid histogram: positive side: a bucket's index exceeds "
	 "1073741824\n"},
	{"the last index there is, at a finer scale", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 scale=10 pos=2147483645:1\n",
	 "h {{schema:8 count:1 sum:1 z_bucket_w:1e-128 offset:536870912 buckets:[1] "
	 "counts:integer}} @9\n"},
	{"and one behind it, at any scale", "",
	 "exponential h cumulative\npoint time=9 count=2 sum=1 scale=10 pos=2147483645:1,1\n",
	 "! 1 metric \"h\": buckets of a histogram begin at 2147483645, which is out of "
	 "range\n"},
	{"the first index that is kept", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 pos=-1073741825:1\n",
	 "h {{schema:0 count:1 sum:1 z_bucket_w:1e-128 offset:-1073741824 buckets:[1] counts:integer}} @9\n"},
	{"a zero threshold below zero is refused", "",
	 "exponential h cumulative\npoint time=9 count=0 threshold=-1\n",
	 "! 1 metric \"h\": zero threshold of a histogram is not a number from 0 on\n"},
	{"nothing was recorded", "",
	 "exponential h cumulative\npoint start=5 time=9 flags=1 scale=3 count=7\n",
	 "h {{schema:0 count:0 sum:stale counts:integer}} @9 start=5\n"},
	{"exemplars are the histogram's own", "",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 pos=0:1\n"
	 "exemplar double=1 time=3 @a=b\n",
	 "h {{schema:0 count:1 sum:1 z_bucket_w:1e-128 offset:1 buckets:[1] counts:integer}} @9\n"
	 "  exemplar h {a=\"b\"} 1 @3\n"},
	{"min and max", "min_max",
	 "exponential h cumulative\npoint time=9 count=1 sum=1 pos=0:1 min=1.5 max=2\n",
	 "h {{schema:0 count:1 sum:1 z_bucket_w:1e-128 offset:1 buckets:[1] counts:integer}} @9\n"
	 "h_min 1.5 @9\n"
	 "h_max 2 @9\n"},
	{"min and max were not recorded either", "min_max",
	 "exponential h cumulative\npoint time=9 flags=1\n",
	 "h {{schema:0 count:0 sum:stale counts:integer}} @9\n"
	 "h_min stale @9\n"
	 "h_max stale @9\n"},
};

static const Case summary_cases[] = {
	{"quantiles, count and sum", "",
	 "summary s\npoint @k=v start=5 time=9 count=3 sum=4.5 q=0.5:1 q=0.99:2\n",
	 "s_count{k=\"v\"} 3 @9 start=5\ns_sum{k=\"v\"} 4.5 @9 start=5\n"
	 "s{k=\"v\",quantile=\"0.5\"} 1 @9 start=5\n"
	 "s{k=\"v\",quantile=\"0.99\"} 2 @9 start=5\n"},
	{"the sum is always there", "", "summary s\npoint time=9 count=3\n",
	 "s_count 3 @9\ns_sum 0 @9\n"},
	{"the smallest and the largest value", "",
	 "summary s\npoint time=9 count=3 sum=1 q=0:-1 q=1:nan\n",
	 "s_count 3 @9\ns_sum 1 @9\ns{quantile=\"0\"} -1 @9\ns{quantile=\"1\"} NaN @9\n"},
	{"nothing was recorded", "", "summary s\npoint time=9 flags=1 q=0.5:0\n",
	 "s_count stale @9\ns_sum stale @9\ns{quantile=\"0.5\"} stale @9\n"},
	{"an attribute quantile gives way", "",
	 "summary s\npoint @quantile=x time=9 q=0.5:1\n",
	 "s_count{quantile=\"x\"} 0 @9\ns_sum{quantile=\"x\"} 0 @9\n"
	 "s{quantile=\"0.5\"} 1 @9\n"},
};

static const Case delta_cases[] = {
	{"a sum becomes cumulative, with its own start", "",
	 "sum s delta monotonic\npoint start=7000 time=9000 int=5\n",
	 "s_total 105 @9000 start=5000\n"},
	{"so does one that is not monotonic", "",
	 "sum s delta\npoint start=7000 time=9000 double=-0.5\n",
	 "s 99.5 @9000 start=5000\n"},
	{"a histogram", "",
	 "histogram h delta\npoint start=7000 time=9000 count=3 sum=4 bounds=1 counts=1,2\n",
	 "h_count 103 @9000 start=5000\nh_sum 104 @9000 start=5000\n"
	 "h_bucket{le=\"1\"} 101 @9000 start=5000\n"
	 "h_bucket{le=\"+Inf\"} 103 @9000 start=5000\n"},
	{"one with custom bounds", "nhcb",
	 "histogram h delta\npoint start=7000 time=9000 count=3 sum=4 bounds=1 counts=1,2\n",
	 "h {{schema:-53 count:103 sum:104 custom_values:[1] buckets:[101 2] "
	 "counts:integer}} @9000 start=5000\n"},
	{"an exponential one", "",
	 "exponential h delta\npoint start=7000 time=9000 count=3 sum=4 pos=0:3\n",
	 "h {{schema:0 count:103 sum:104 z_bucket:100 z_bucket_w:1e-128 offset:1 buckets:[3] counts:integer}} @9000 start=5000\n"},
	{"one that cannot be accumulated is refused", "",
	 "histogram h delta\npoint time=9 count=13\npoint time=9 count=3\n",
	 "! 1 metric \"h\": there are too many series\nh_count 103 @9 start=5000\n"
	 "h_bucket{le=\"+Inf\"} 103 @9 start=5000\n"},
	{"nothing was recorded: nothing is added", "",
	 "sum s delta monotonic\npoint start=7000 time=9000 flags=1\n",
	 "s_total stale @9000 start=7000\n"},
	{"refused", "refuse", "sum s delta\npoint time=1 int=5\npoint time=2 int=5\n",
	 "! 2 metric \"s\": delta temporality is refused by the setting mytsdb.otlp_delta\n"},
	{"refused histograms", "refuse",
	 "histogram h delta\npoint time=1\nexponential e delta\npoint time=1\n",
	 "! 1 metric \"h\": delta temporality is refused by the setting mytsdb.otlp_delta\n"
	 "! 1 metric \"e\": delta temporality is refused by the setting mytsdb.otlp_delta\n"},
	{"stored as it is", "store", "sum s delta\npoint start=7000 time=9000 int=5\n",
	 "s 5 @9000 start=7000\n"},
	{"stored histograms are gauges", "store",
	 "exponential h delta\npoint start=7 time=9 count=3 sum=4 pos=0:3\n",
	 "h {{schema:0 count:3 sum:4 z_bucket_w:1e-128 offset:1 buckets:[3] counter_reset_hint:gauge counts:integer}} @9 start=7\n"},
	{"cumulative points are what they are in any case", "store",
	 "exponential h cumulative\npoint start=7 time=9 count=3 sum=4 pos=0:3\n",
	 "h {{schema:0 count:3 sum:4 z_bucket_w:1e-128 offset:1 buckets:[3] counts:integer}} @9 start=7\n"},
};

static const Case resource_cases[] = {
	{"job and instance, and the rest in target_info", "metadata",
	 "resource @service.name=shop @service.namespace=eu @service.instance.id=i1 "
	 "@host.name=h1\n"
	 "gauge g unit=s help=A_gauge\npoint @k=v time=1000 int=1\n",
	 "# g_seconds gauge seconds A gauge\n"
	 "g_seconds{instance=\"i1\",job=\"eu/shop\",k=\"v\"} 1 @1000\n"
	 "# target_info gauge  Target metadata\n"
	 "target_info{host_name=\"h1\",instance=\"i1\",job=\"eu/shop\"} 1 @1000\n"},
	{"target_info with what identifies, too", "keep",
	 "resource @service.name=shop @host.name=h1\ngauge g\npoint time=1000 int=1\n",
	 "g{job=\"shop\"} 1 @1000\n"
	 "target_info{host_name=\"h1\",job=\"shop\",service_name=\"shop\"} 1 @1000\n"},
	{"target_info keeps its name where names are not translated", "strategy=3",
	 "resource @service.name=shop @host.name=h1\ngauge a.g\npoint @a.k=v time=1 int=1\n",
	 "{\"a.g\",\"a.k\"=\"v\",job=\"shop\"} 1 @1\n"
	 "target_info{\"host.name\"=\"h1\",job=\"shop\"} 1 @1\n"},
	{"there is nothing more to tell", "",
	 "resource @service.name=shop @service.instance.id=i1\ngauge g\npoint time=1 int=1\n",
	 "g{instance=\"i1\",job=\"shop\"} 1 @1\n"},
	{"nothing identifies the resource", "",
	 "resource @host.name=h1 @service.namespace=eu\ngauge g\npoint time=1 int=1\n",
	 "g 1 @1\n"},
	{"an attribute job identifies it", "",
	 "resource @host.name=h1 @job=j\ngauge g\npoint time=1 int=1\n",
	 "g 1 @1\ntarget_info{host_name=\"h1\",job=\"j\"} 1 @1\n"},
	{"the name of a service may be a number", "",
	 "resource @service.name:i=7 @x=y\ngauge g\npoint time=1 int=1\n",
	 "g{job=\"7\"} 1 @1\ntarget_info{job=\"7\",x=\"y\"} 1 @1\n"},
	{"an empty name identifies nothing", "",
	 "resource @service.name= @x=y\ngauge g\npoint time=1 int=1\n", "g 1 @1\n"},
	{"no point was accepted", "",
	 "resource @service.name=shop @x=y\nsum s\npoint time=1 int=1\n",
	 "! 1 metric \"s\": aggregation temporality is not specified\n"},
	{"target_info is there from the first to the last point", "",
	 "resource @service.name=shop @x=y\ngauge g\npoint time=500000 int=1\n"
	 "point time=100000 int=2\n",
	 "g{job=\"shop\"} 1 @500000\ng{job=\"shop\"} 2 @100000\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @100000\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @250000\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @400000\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @500000\n"},
	{"points that are refused do not count for it", "",
	 "resource @service.name=shop @x=y\ngauge g\npoint time=1000 int=1\n"
	 "point time=900000\n",
	 "g{job=\"shop\"} 1 @1000\n! 1 metric \"g\": data point has no value\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @1000\n"},
	{"times within a millisecond are one", "",
	 "resource @service.name=shop @x=y\ngauge g\npoint timens=1000001 int=1\n"
	 "point timens=1000002 int=2\n",
	 "g{job=\"shop\"} 1 @1\ng{job=\"shop\"} 2 @1\ntarget_info{job=\"shop\",x=\"y\"} 1 @1\n"},
	{"a resource that comes twice has it once", "",
	 "resource @service.name=shop @x=y\ngauge g\npoint time=1 int=1\n"
	 "resource @service.name=shop @x=y\ngauge g\npoint time=1 int=2\npoint time=2 int=3\n",
	 "g{job=\"shop\"} 1 @1\ntarget_info{job=\"shop\",x=\"y\"} 1 @1\n"
	 "g{job=\"shop\"} 2 @1\ng{job=\"shop\"} 3 @2\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @2\n"},
	{"promoted attributes", "promote=host.name promote=no.such",
	 "resource @service.name=shop @host.name=h1 @x=y\ngauge g\npoint time=1 int=1\n",
	 "g{host_name=\"h1\",job=\"shop\"} 1 @1\n"
	 "target_info{host_name=\"h1\",job=\"shop\",x=\"y\"} 1 @1\n"},
	{"all of them promoted", "promote_all",
	 "resource @service.name=shop @x=y\ngauge g\npoint time=1 int=1\n",
	 "g{job=\"shop\",service_name=\"shop\",x=\"y\"} 1 @1\n"
	 "target_info{job=\"shop\",x=\"y\"} 1 @1\n"},
	{"scopes are left out", "",
	 "scope name=lib version=1.0 @k=v\ngauge g\npoint time=1 int=1\n", "g 1 @1\n"},
	{"scopes as labels", "scope",
	 "scope name=lib version=1.0 url=u @k=v\ngauge g\npoint time=1 int=1\n"
	 "scope name=other\ngauge g\npoint time=1 int=2\n",
	 "g{otel_scope_k=\"v\",otel_scope_name=\"lib\",otel_scope_schema_url=\"u\","
	 "otel_scope_version=\"1.0\"} 1 @1\n"
	 "g{otel_scope_name=\"other\"} 2 @1\n"},
	{"names that collide", "", "gauge g\npoint @a.b=2 @a_b=3 @a-b=1 time=1 int=1\n",
	 "g{a_b=\"1;2;3\"} 1 @1\n"},
	{"values that are no texts", "",
	 "gauge g\npoint @i:i=-5 @d:d=1.5 @b:b=true time=1 int=1\n",
	 "g{b=\"true\",d=\"1.5\",i=\"-5\"} 1 @1\n"},
	{"an attribute __name__ does not name the series", "",
	 "gauge g\npoint @__name__=x time=1 int=1\n", "g 1 @1\n"},
	{"metadata of all kinds", "metadata",
	 "sum c cumulative monotonic unit=By help=C\npoint time=1 int=1\n"
	 "sum u cumulative\npoint time=1 int=1\nsummary s\npoint time=1\n"
	 "histogram h cumulative unit=ms\npoint time=1 flags=1\n"
	 "exponential e cumulative\npoint time=1 flags=1\n",
	 "# c_bytes_total counter bytes C\n"
	 "c_bytes_total 1 @1\n"
	 "# u gauge  \n"
	 "u 1 @1\n"
	 "# s summary  \n"
	 "s_count 0 @1\n"
	 "s_sum 0 @1\n"
	 "# h_milliseconds histogram milliseconds \n"
	 "h_milliseconds_count stale @1\n"
	 "h_milliseconds_sum stale @1\n"
	 "h_milliseconds_bucket{le=\"+Inf\"} stale @1\n"
	 "# e histogram  \n"
	 "e {{schema:0 count:0 sum:stale counts:integer}} @1\n"},
};
