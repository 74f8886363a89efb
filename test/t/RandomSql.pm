# RandomSql.pm: random work on a table t, for a comparison of tables of two kinds.
#
# A script is a list of sessions, each a list of steps. A step is what psql gets; where the
# two kinds need other words it has `ours` and `heap`. `@SIDE@` stands for the name of the
# side. What a step prints is the same on both sides, but for the order of lines where it is
# `unordered`. The same seed makes the same script.
#
# The generator knows what the table looks like, through rollbacks as well, so that nearly
# all statements succeed; those that fail do so on purpose.
package RandomSql;
use strict;
use warnings;

use List::Util qw(max min);

use constant TICKS => 20000;    # times are so many steps of 7 s, or days by twenty

# Types of values: what makes one from the number i of a row, and what the type may become.
my %types = (
	int => { value => 'i * 7 % 1000', becomes => [qw(bigint text float8)] },
	bigint => { value => 'i::bigint * 1000003 % 65537', becomes => [qw(numeric text)] },
	smallint => { value => 'i % 300', becomes => [qw(int bigint)] },
	float8 => { value => '(i % 1001) / 4.0', becomes => [qw(text numeric)] },
	float4 => { value => '(i % 77) / 8.0', becomes => [qw(float8 text)] },
	numeric => { value => '(i % 313) / 100.0', becomes => [qw(text)] },
	bool => { value => 'i % 3 = 0', becomes => [qw(text)] },
	text => { value => q{'s' || i % 17}, becomes => [qw(bytea)], using => 'convert_to(%s, \'UTF8\')' },
	bytea => { value => q{decode(md5(i::text), 'hex')}, becomes => [] },
	jsonb => { value => q{jsonb_build_object('a', i % 9)}, becomes => [qw(text)] },
	'int[]' => { value => 'ARRAY[i % 5, NULL, i % 3]', becomes => [qw(text)] },
	timestamptz => { value => q{'2001-01-01'::timestamptz + i * interval '1 h'}, becomes => [qw(text)] },
);

my %time_types = (
	timestamptz => q{'2024-01-01'::timestamptz + (%s) * interval '7 s'},
	timestamp => q{'2024-01-01'::timestamp + (%s) * interval '7 s'},
	date => q{'2024-01-01'::date + (%s)::int / 20},
);

sub one_of
{
	return $_[ int rand @_ ];
}

sub chance
{
	return rand() < $_[0];
}

# The script of a seed: at least `steps` steps, in `sessions` sessions.
sub script
{
	my ($seed, $steps, $sessions) = @_;
	srand $seed;
	my $self = bless {
		seed => $seed, count => 0, number => 1, rows => 0, names => 0,
		ours => 1, tx => undef, prepared => undef
	}, __PACKAGE__;
	my @script;
	$self->{settings} = settings();
	foreach my $session (1 .. $sessions)
	{
		$self->{steps} = [];
		$self->start_session;
		$self->create if $session == 1;
		my $end = $self->{count} + $steps / $sessions;
		$self->step while $self->{count} < $end;
		$self->end_transaction('COMMIT') if $self->{tx};
		$self->whole_table;
		push @script, $self->{steps};
	}
	return @script;
}

sub emit
{
	my ($self, $sql, %step) = @_;
	push @{ $self->{steps} }, { ours => $sql, heap => $sql, %step };
	$self->{count}++;
}

sub emit_ours
{
	my ($self, $sql) = @_;
	$self->emit('', ours => $sql);
}

sub settings
{
	my %set = (
		'mytsdb.buffer_memory' => one_of('64kB', '64kB', '200kB', '1MB'),
		'mytsdb.bulk_memory' => one_of('1MB', '1MB', '256MB'),
		'mytsdb.series_cache' => one_of('64kB', '16MB'),
		work_mem => one_of('64kB', '64kB', '4MB'),
		maintenance_work_mem => one_of('1MB', '64MB'),
		plan_cache_mode => one_of('auto', 'force_generic_plan', 'force_custom_plan'),
		enable_hashjoin => one_of('on', 'off'),
		enable_material => one_of('on', 'off'),
		enable_hashagg => one_of('on', 'off'),
		enable_nestloop => one_of('on', 'on', 'off'),
	);
	return join "\n", map { "SET $_ = '$set{$_}';" } sort keys %set;
}

# From here on, queries are divided among workers, or not.
sub parallel
{
	my ($self) = @_;
	my $dear = one_of(0, 0, 1);
	my %set = (
		parallel_setup_cost => $dear ? 1000 : 0,
		parallel_tuple_cost => $dear ? 0.1 : 0,
		min_parallel_table_scan_size => $dear ? '8MB' : one_of(0, 0, '64kB'),
		max_parallel_workers_per_gather => one_of(0, 1, 2, 3),
		parallel_leader_participation => one_of('on', 'on', 'off'),
		force_parallel_mode => one_of('off', 'off', 'off', 'regress'),
	);
	$self->emit(join "\n", map { "SET $_ = '$set{$_}';" } sort keys %set);
}

sub start_session
{
	my ($self) = @_;
	my $schema = "\@SIDE\@_$self->{seed}";
	$self->emit(
		"CREATE SCHEMA IF NOT EXISTS $schema;\n"
		  . "SET search_path = $schema, public;\nSET timezone = 'UTC';\n"
		  . "$self->{settings}");
	$self->parallel;
}

# ---- the table ----

sub create
{
	my ($self) = @_;
	$self->{replace} = chance(0.35);
	my $type = one_of(qw(timestamptz timestamptz timestamp date));
	$self->{time} = { name => 'time', type => $type };
	$self->{keys} = one_of(
		[],
		[ { name => 'dev', type => 'text' } ],
		[ { name => 'dev', type => 'text' } ],
		[ { name => 'dev', type => 'text' }, { name => 'core', type => 'int' } ],
		[ { name => 'core', type => 'int' }, { name => 'dev', type => 'text' } ],
		[ { name => 'tags', type => 'labels' } ]);
	$self->{values} = [
		{ name => 'v', type => 'int', kept => 1 },
		map { $self->new_value } 1 .. rand 5
	];
	$self->{series} = one_of(1, 3, 11, 11, 500);
	$self->{null_keys} = chance(0.3);

	my @columns = map { "$_->{name} $_->{type}" } @{ $self->{keys} }, @{ $self->{values} };
	splice @columns, rand(@columns + 1), 0, "time $type NOT NULL";
	my $columns = join ', ', @columns, 'CHECK (v >= 0)';
	$self->{shards} = one_of(1, 1, 2, 5, 16);
	my $options = $self->options;
	$self->emit(
		'',
		ours => "CREATE TABLE t ($columns) USING mytsdb WITH ($options);",
		heap => "CREATE TABLE t ($columns) USING heap;"
		  . ($self->{replace} ? "\nCREATE INDEX ON t (time);" : ''));
	$self->set_trigger if $self->{replace};
	$self->emit(
		"CREATE TABLE side (dev text, core int, since $type, n bigint DEFAULT 0);\n"
		  . "INSERT INTO side SELECT 'd' || i, i % 3, "
		  . $self->time_at('i * 400') . ' FROM generate_series(0, 12) i;');
}

sub options
{
	my ($self) = @_;
	my @options = (
		"mytsdb.time_column = '$self->{time}{name}'", "mytsdb.shards = $self->{shards}");
	push @options, "mytsdb.series_by = '" . join(',', map { $_->{name} } @{ $self->{keys} }) . "'"
	  if @{ $self->{keys} };
	push @options, "mytsdb.duplicates = 'replace'" if $self->{replace};
	return join ', ', @options;
}

# With replace, the last row inserted with a key and a time stays: a heap table does that by
# a trigger.
sub set_trigger
{
	my ($self) = @_;
	my $same = join ' AND ', "time_ = NEW.time_",
	  map { "$_->{name} IS NOT DISTINCT FROM NEW.$_->{name}" } @{ $self->{keys} };
	$same =~ s/time_/$self->{time}{name}/g;
	$self->emit(
		'',
		heap => "CREATE OR REPLACE FUNCTION replace_row() RETURNS trigger LANGUAGE plpgsql AS "
		  . "\$\$ BEGIN DELETE FROM t WHERE $same; RETURN NEW; END \$\$;\n"
		  . "CREATE OR REPLACE TRIGGER replace_row BEFORE INSERT ON t "
		  . "FOR EACH ROW EXECUTE FUNCTION replace_row();");
}

sub new_name
{
	my ($self) = @_;
	return 'c' . ++$self->{names};
}

sub new_value
{
	my ($self) = @_;
	return {
		name => $self->new_name, type => one_of(sort keys %types), nulls => chance(0.5)
	};
}

sub time_at
{
	my ($self, $tick) = @_;
	return sprintf $time_types{ $self->{time}{type} }, $tick;
}

sub columns
{
	my ($self) = @_;
	return (@{ $self->{keys} }, $self->{time}, @{ $self->{values} });
}

# ---- rows ----

sub key_value
{
	my ($self, $type, $i) = @_;
	my $value = {
		text => "'d' || $i % $self->{series}",
		int => "$i % 3",
		labels => "('{dev=\"d' || $i % $self->{series} || '\",core=\"' || $i % 3 || '\"}')::labels"
	}->{$type};
	return $self->{null_keys} ? "CASE WHEN $i % 7 <> 3 THEN $value END" : $value;
}

sub tick
{
	my $from = int rand TICKS;
	my $step = one_of(1, 1, 1, 3);
	return one_of(
		"($from + i * $step) % " . TICKS,
		"($from + i * $step) % " . TICKS,
		"abs($from - i % $from" . "::int8)" . ' % ' . TICKS,
		'i * 37 % ' . TICKS,
		"$from + i % 50",
		"$from") if $from > 0;
	return 'i';
}

# A query that makes n new rows: the columns it fills, and its text.
sub new_rows
{
	my ($self, $n, %how) = @_;
	my $first = $self->{number};
	my $last = $first + $n - 1;
	$self->{number} += $n;
	$self->{rows} += $n;
	my @columns = grep { !$_->{generated} } $self->columns;
	my $time = $self->time_at(tick());
	$time = "CASE WHEN i % 50 = 0 THEN '" . one_of('infinity', '-infinity') . "' ELSE $time END"
	  if chance(0.05);
	my @values = map {
		my $column = $_;
		my $value =
		    $column == $self->{time} ? $time
		  : (grep { $_ == $column } @{ $self->{keys} }) ? $self->key_value($column->{type}, 'i')
		  : "($types{ $column->{type} }{value})::$column->{type}";
		$value = "CASE WHEN i % 6 <> 1 THEN $value END"
		  if $column->{nulls} && chance(0.7);
		$value = "CASE WHEN i = $last THEN -1 ELSE $value END"
		  if $how{wrong} && $column->{kept};
		$value = "CASE WHEN i % 5 = 0 THEN repeat(md5(i::text), $how{wide}) ELSE $value END"
		  if $how{wide} && $column->{type} eq 'text' && exists $types{text}
		  && !grep { $_ == $column } @{ $self->{keys} };
		$value;
	} @columns;
	return (join(', ', map { $_->{name} } @columns),
		'SELECT ' . join(', ', @values) . " FROM generate_series($first, $last) i");
}

sub how_many
{
	my ($self) = @_;
	my $most = $self->{replace} ? 1000 : 6000;
	return min($most, one_of(1, 1, 1, 2, 10, 10, 100, 100, 500, 1000, 1 + int rand 6000));
}

sub insert
{
	my ($self, %how) = @_;
	my ($columns, $query) = $self->new_rows($how{n} // $self->how_many, %how);
	$self->emit("INSERT INTO t ($columns) $query;");
}

sub insert_returning
{
	my ($self) = @_;
	my ($columns, $query) = $self->new_rows($self->how_many);
	$self->emit("WITH x AS (INSERT INTO t ($columns) $query RETURNING *)\n"
		  . 'SELECT count(*), sum(hashtextextended(x::text, 0)::numeric), '
		  . '(SELECT count(*) FROM t) FROM x;');
}

# Rows too big for one page, some for one record of the log.
sub insert_wide
{
	my ($self) = @_;
	my ($columns, $query) = $self->new_rows(one_of(1, 5, 20), wide => one_of(10, 300, 2000, 32768));
	$self->emit("INSERT INTO t ($columns) $query;");
}

sub insert_self
{
	my ($self) = @_;
	my $columns = join ', ', map { $_->{name} } grep { !$_->{generated} } $self->columns;
	my $where = $self->{rows} > 3000 ? 'v % 10 = ' . int rand 10 : 'true';
	$self->{rows} *= $where eq 'true' ? 2 : 1.1;
	$self->emit("INSERT INTO t ($columns) SELECT $columns FROM t WHERE $where;");
}

sub copy
{
	my ($self, %how) = @_;
	my $n = $self->how_many;
	$n *= 5 if chance(0.2) && !$self->{replace};
	my ($columns, $query) = $self->new_rows($n, %how);
	my $format = one_of('text', 'binary', 'csv');
	my $file = "'\@DIR\@/\@SIDE\@_$self->{seed}'";
	$self->emit("COPY ($query) TO $file (FORMAT $format);\n"
		  . "COPY t ($columns) FROM $file (FORMAT $format);");
}

# Many commands within one statement's transaction, with subtransactions that abort.
sub procedure
{
	my ($self) = @_;
	my ($columns, $query) = $self->new_rows(one_of(1, 10, 100));
	my $loops = one_of(3, 10, 40);
	$self->{rows} += $loops * 50;
	my $outcome = one_of('RAISE EXCEPTION division_by_zero', 'NULL');
	$self->emit("DO \$\$ DECLARE n bigint; BEGIN FOR round IN 1 .. $loops LOOP\n"
		  . "INSERT INTO t ($columns) $query;\n"
		  . "BEGIN INSERT INTO t ($columns) $query; $outcome;\n"
		  . "EXCEPTION WHEN division_by_zero THEN NULL; END;\n"
		  . "SELECT count(*) INTO n FROM t; UPDATE side SET n = side.n + procedure.n FROM "
		  . "(SELECT n) procedure WHERE core = round % 3;\n"
		  . "END LOOP; END \$\$;\nSELECT sum(n) FROM side;");
}

# ---- queries ----

# The rows of a query, whatever their order, as one line.
sub bag
{
	my ($query) = @_;
	return "SELECT count(*), sum(hashtextextended(q::text, 0)::numeric) FROM ($query) q;";
}

sub whole_table
{
	my ($self) = @_;
	$self->emit(bag('SELECT * FROM t'));
}

sub moment
{
	my ($self) = @_;
	return $self->time_at(int rand TICKS * 1.05);
}

# A condition on columns of t as `alias`.
sub where
{
	my ($self, $alias) = @_;
	my $t = $alias // 't';
	my @conditions;
	my $time = "$t.$self->{time}{name}";
	my $from = int rand TICKS;
	push @conditions, one_of(
		"$time >= " . $self->moment,
		"$time < " . $self->moment,
		"$time BETWEEN " . $self->time_at($from) . ' AND ' . $self->time_at($from + int rand 3000),
		"$time > " . $self->time_at($from) . " AND $time <= " . $self->time_at($from + int rand 500),
		"$time = " . $self->moment,
		"$time IN (" . join(', ', map { $self->moment } 1 .. 3) . ')',
		"$time < now()",
		"$time > now() - interval '1 year'",
		"$time = 'infinity'",
		"$time >= (SELECT min(since) FROM side WHERE core = " . int(rand 4) . ')',
	) if chance(0.6);
	if (@{ $self->{keys} } && chance(0.6))
	{
		my $key = one_of(@{ $self->{keys} });
		my $name = "$t.$key->{name}";
		my ($a, $b) = map { int rand 13 } 1 .. 2;
		push @conditions, one_of(@{ {
			text => [
				"$name = 'd$a'", "$name IN ('d$a', 'd$b', 'none')", "$name IS NULL",
				"$name <> 'd$a'", "$name LIKE 'd1%'", "$name = (SELECT max(dev) FROM side)",
				"$name IN (SELECT dev FROM side WHERE core = 1)", "$name >= 'd$a'"
			],
			int => [ "$name = " . $a % 4, "$name < 2", "$name IS NOT NULL", "$name = ANY ('{0,2}')" ],
			labels => [
				qq($name ~ '{dev="d$a"}'), qq($name ~ '{dev=~"d[1-4]",core!="2"}'),
				qq($name ->> 'dev' = 'd$a'), qq($name @> '{core="1"}'), qq($name !~ '{dev=~"d1.*"}'),
				qq($name = '{dev="d$a",core="1"}'), "$name IS NULL"
			]
		}->{ $key->{type} } });
	}
	push @conditions, one_of("$t.v % 3 = 0", "$t.v > 500", "$t.v = 7", "$t.v IS NULL", 'false')
	  if chance(0.2);
	if (chance(0.15) && @{ $self->{values} } > 1)
	{
		my $name = "$t." . one_of(@{ $self->{values} })->{name};
		push @conditions, one_of("$name IS NULL", "$name IS NOT NULL");
	}
	@conditions = ('(' . join(' OR ', @conditions) . ')') if @conditions > 1 && chance(0.1);
	return @conditions ? join ' AND ', @conditions : 'true';
}

sub some_columns
{
	my ($self) = @_;
	return '*' if chance(0.5);
	my @names = grep { chance(0.4) } map { $_->{name} } $self->columns;
	return join(', ', @names) || 'v';
}

sub query_rows
{
	my ($self) = @_;
	my $lock = chance(0.1) ? ' FOR KEY SHARE' : '';
	$self->emit(bag('SELECT ' . $self->some_columns . ' FROM t WHERE ' . $self->where . $lock));
}

sub query_aggregate
{
	my ($self) = @_;
	my $time = $self->{time}{name};
	my $by = one_of('', '', map { $_->{name} } @{ $self->{keys} });
	my @numbers = grep { $_->{type} =~ /^(int|bigint|smallint|float8|float4|numeric)$/ }
	  @{ $self->{values} };
	my $number = one_of(@numbers)->{name};
	my $what = one_of(
		'count(*)', "count($number), sum($number)", "min($number), max($number), avg($number)",
		"min($time), max($time)", "count(*) FILTER (WHERE v % 2 = 0), max($time)",
		'count(DISTINCT v)');
	my $where = chance(0.3) ? 'true' : $self->where;
	$self->emit($by eq ''
		? "SELECT $what FROM t WHERE $where;"
		: bag("SELECT $by, $what FROM t WHERE $where GROUP BY $by"));
}

sub query_newest
{
	my ($self) = @_;
	my $time = $self->{time}{name};
	my $where = $self->where;
	my $n = one_of(1, 1, 5, 100);
	my $way = one_of('DESC', 'DESC', '');
	$self->emit(one_of(
		"SELECT $time FROM t WHERE $where ORDER BY $time $way LIMIT $n;",
		"SELECT $time FROM t ORDER BY $time $way LIMIT $n;",
		"SELECT $time FROM t WHERE $where ORDER BY $time $way LIMIT $n OFFSET " . int(rand 50) . ';',
		"SELECT t.v, $time FROM t WHERE $where ORDER BY $time $way, t::text LIMIT $n;"));
}

sub query_join
{
	my ($self) = @_;
	my $time = $self->{time}{name};
	my ($key) = grep { $_->{type} ne 'labels' } @{ $self->{keys} };
	my $on = $key ? "t.$key->{name} = side." . ($key->{type} eq 'text' ? 'dev' : 'core') : "t.v = side.core";
	my $where = $self->where;
	$self->emit(one_of(
		bag("SELECT side.dev, count(*), sum(v) FROM side JOIN t ON $on AND t.$time >= side.since WHERE $where GROUP BY 1"),
		bag("SELECT side.*, x.* FROM side, LATERAL (SELECT max($time) AS last, count(*) FROM t WHERE $on AND t.$time < side.since) x"),
		bag("SELECT side.*, x.* FROM side LEFT JOIN LATERAL (SELECT $time AS at FROM t WHERE $on AND $where ORDER BY $time DESC LIMIT 1) x ON true"),
		bag("SELECT * FROM side WHERE EXISTS (SELECT FROM t WHERE $on AND $where)"),
		bag("SELECT * FROM side WHERE NOT EXISTS (SELECT FROM t WHERE $on AND t.$time > side.since)"),
		"UPDATE side SET n = side.n + x.n FROM (SELECT count(*) AS n FROM t WHERE $where) x WHERE side.core = 1;\nSELECT sum(n) FROM side;",
		"SELECT count(*) FROM t JOIN (SELECT * FROM t WHERE v % 100 = 7) b ON t.$time = b.$time AND t.v = b.v WHERE $where;"));
}

sub query_window
{
	my ($self) = @_;
	my $time = $self->{time}{name};
	my $by = @{ $self->{keys} } ? "PARTITION BY t.$self->{keys}[0]{name} " : '';
	my $where = $self->where;
	my $cast = $self->{time}{type} eq 'date' ? '::timestamp' : '';
	$self->emit(one_of(
		bag("SELECT v - lag(v) OVER (${by}ORDER BY $time, t::text) AS d FROM t WHERE $where"),
		bag("SELECT time_bucket('1 hour', $time$cast) AS b, count(*) FROM t WHERE $where GROUP BY 1"),
		bag("SELECT DISTINCT v % 10 FROM t WHERE $where"),
		bag("SELECT * FROM t WHERE $where UNION SELECT * FROM t WHERE v < 20")));
}

sub query_prepared
{
	my ($self) = @_;
	my $type = $self->{time}{type};
	my $time = $self->{time}{name};
	my ($key) = grep { $_->{type} ne 'labels' } @{ $self->{keys} };
	my $and = $key ? "AND $key->{name}::text = \$3" : 'AND v::text <> $3';
	my $query = bag("SELECT * FROM t WHERE $time >= \$1 AND $time < \$2 $and");
	my $calls = join '', map {
		"EXECUTE p(" . $self->moment . ', ' . $self->moment . ", 'd" . int(rand 12) . "');\n"
	} 1 .. one_of(1, 7);
	$self->emit("PREPARE p($type, $type, text) AS $query\n${calls}DEALLOCATE p;");
}

# Part of a cursor's rows are read, others come, the rest is read: none of the others is
# among them.
sub query_cursor
{
	my ($self) = @_;
	my $where = $self->where;
	my $n = one_of(1, 10, 300);
	my $declare = 'DECLARE c NO SCROLL CURSOR FOR SELECT ' . $self->some_columns . " FROM t WHERE $where;\n";
	my ($columns, $query) = $self->new_rows($self->how_many);
	my $insert = "INSERT INTO t ($columns) $query;\n";
	my $between = $insert;
	$between = "SAVEPOINT cursor;\n${insert}ROLLBACK TO cursor;\n" if chance(0.3);
	my $body = "${declare}FETCH $n FROM c;\n${between}FETCH ALL FROM c;\nCLOSE c;";
	$body = "BEGIN;\n$body\n" . one_of('COMMIT;', 'ROLLBACK;') if !$self->{tx};
	$self->emit($body, unordered => 1);
}

# ---- transactions ----

my @looks = qw(time keys values rows ours);

sub state
{
	my ($self) = @_;
	return {
		time => { %{ $self->{time} } },
		keys => [ map { {%$_} } @{ $self->{keys} } ],
		values => [ map { {%$_} } @{ $self->{values} } ],
		rows => $self->{rows},
		ours => $self->{ours}
	};
}

sub set_state
{
	my ($self, $state) = @_;
	@$self{ keys %$state } = values %$state;
}

sub begin
{
	my ($self) = @_;
	my $level = one_of('', '', ' ISOLATION LEVEL REPEATABLE READ');
	$self->emit("BEGIN$level;");
	$self->{tx} = { before => $self->state, level => $level, savepoints => [] };
}

sub end_transaction
{
	my ($self, $how) = @_;
	$self->emit("$how;");
	$self->set_state($self->{tx}{before}) if $how eq 'ROLLBACK';
	$self->{tx} = undef;
}

sub savepoint
{
	my ($self) = @_;
	my $savepoints = $self->{tx}{savepoints};
	my $name = 's' . @$savepoints;
	push @$savepoints, $self->state;
	$self->emit("SAVEPOINT $name;");
}

sub rollback_to
{
	my ($self) = @_;
	my $savepoints = $self->{tx}{savepoints};
	return if !@$savepoints;
	my $n = int rand @$savepoints;
	$self->emit("ROLLBACK TO s$n;");
	$self->set_state($savepoints->[$n]);
	splice @$savepoints, $n + 1;
	$savepoints->[$n] = $self->state;
}

sub release
{
	my ($self) = @_;
	my $savepoints = $self->{tx}{savepoints};
	return if !@$savepoints;
	my $n = int rand @$savepoints;
	$self->emit("RELEASE s$n;");
	splice @$savepoints, $n;
}

# A statement that fails after it has inserted rows.
sub fail
{
	my ($self) = @_;
	my $state = $self->state;
	my $in = $self->{tx};
	$self->emit('SAVEPOINT failing;') if $in;
	one_of(sub { $self->insert(wrong => 1) }, sub { $self->copy(wrong => 1) })->();
	$self->emit('ROLLBACK TO failing;') if $in;
	$self->set_state($state);
}

sub prepare
{
	my ($self) = @_;
	my $name = "'\@SIDE\@_$self->{seed}'";
	$self->emit("PREPARE TRANSACTION $name;");
	$self->{prepared} = { name => $name, before => $self->{tx}{before} };
	$self->{tx} = undef;
}

sub finish_prepared
{
	my ($self) = @_;
	my $how = one_of('COMMIT', 'ROLLBACK');
	$self->emit("$how PREPARED $self->{prepared}{name};");
	$self->{prepared} = undef;
}

# ---- definitions ----

sub add_column
{
	my ($self) = @_;
	return if @{ $self->{values} } > 8;
	my $column = $self->new_value;
	my $default = '';
	if (chance(0.2))
	{
		@$column{qw(type generated)} = ('int', 1);
		$default = ' GENERATED ALWAYS AS (v * 2 + 1) STORED';
		return if $self->{values}[0]{name} ne 'v';
	}
	elsif (chance(0.6))
	{
		$default = ' DEFAULT ' . ($types{ $column->{type} }{value} =~ s/\bi\b/41/gr);
		$default =~ s/DEFAULT (.*)/DEFAULT ($1)/;
	}
	$self->emit("ALTER TABLE t ADD COLUMN $column->{name} $column->{type}$default;");
	push @{ $self->{values} }, $column;
}

sub drop_column
{
	my ($self) = @_;
	my $values = $self->{values};
	return if @$values < 2;
	my $n = 1 + int rand $#$values;
	$self->emit("ALTER TABLE t DROP COLUMN $values->[$n]{name};");
	splice @$values, $n, 1;
}

sub rename_column
{
	my ($self) = @_;
	my $column = one_of(grep { !$_->{kept} } $self->columns);
	my $name = $self->new_name;
	$self->emit("ALTER TABLE t RENAME COLUMN $column->{name} TO $name;");
	$column->{name} = $name;
	$self->set_trigger if $self->{replace};
}

sub retype_column
{
	my ($self) = @_;
	my @columns = grep { !$_->{kept} && !$_->{generated} && @{ $types{ $_->{type} }{becomes} } }
	  @{ $self->{values} };
	return if !@columns;
	my $column = one_of(@columns);
	my $type = $types{ $column->{type} };
	my $to = one_of(@{ $type->{becomes} });
	my $using = $type->{using} ? ' USING ' . sprintf $type->{using}, $column->{name} : '';
	$self->emit("ALTER TABLE t ALTER COLUMN $column->{name} DROP DEFAULT, "
		  . "ALTER COLUMN $column->{name} TYPE $to$using;");
	$column->{type} = $to;
}

sub truncate
{
	my ($self) = @_;
	$self->emit('TRUNCATE t;');
	$self->{tx}{changed} = 1 if $self->{tx};
	$self->{rows} = 0;
}

# There and back, at once where rows that come in between would not replace others.
sub set_access_method
{
	my ($self) = @_;
	$self->{tx}{changed} = 1 if $self->{tx};
	if ($self->{replace} || !$self->{ours})
	{
		$self->emit_ours('ALTER TABLE t SET ACCESS METHOD heap;') if $self->{ours};
		$self->query_rows;
		my $options = $self->options;
		$self->emit_ours("ALTER TABLE t SET ACCESS METHOD mytsdb, SET ($options);");
		$self->{ours} = 1;
	}
	else
	{
		$self->emit_ours('ALTER TABLE t SET ACCESS METHOD heap;');
		$self->{ours} = 0;
	}
}

# Not of a table with an index in a transaction: if it is then truncated there, the server
# truncates the index in place, and that has lost its entries after a rollback.
sub set_tablespace
{
	my ($self) = @_;
	return if $self->{replace} && $self->{tx};
	$self->emit('ALTER TABLE t SET TABLESPACE ' . one_of('other', 'pg_default') . ';');
}

sub rename_table
{
	my ($self) = @_;
	$self->emit("ALTER TABLE t RENAME TO t1;\nALTER TABLE t1 RENAME TO t;");
}

sub copy_table
{
	my ($self) = @_;
	my $query = 'SELECT * FROM t WHERE ' . $self->where;
	my $by = @{ $self->{keys} } ? ", mytsdb.series_by = '$self->{keys}[0]{name}'" : '';
	my $after = bag('SELECT * FROM other') . "\nDROP TABLE other;";
	$self->emit(
		'',
		ours => "CREATE TABLE other USING mytsdb WITH (mytsdb.time_column = "
		  . "'$self->{time}{name}'$by) AS $query;\n$after",
		heap => "CREATE TABLE other AS $query;\n$after");
}

sub maintain
{
	my ($self) = @_;
	return if !$self->{ours};
	my $what = one_of('seal', 'seal', 'merge');
	$self->emit_ours("DO \$\$ BEGIN PERFORM mytsdb.$what('t'); END \$\$;");
}

sub vacuum
{
	my ($self) = @_;
	my @kinds = ('VACUUM', 'VACUUM', 'VACUUM ANALYZE', 'VACUUM FREEZE');
	push @kinds, 'VACUUM FULL' if !$self->{prepared};
	$self->emit(one_of(@kinds) . ' t;');
}

# ---- one step ----

my %in_transaction = (
	savepoint => 5, rollback_to => 4, release => 2, commit => 4, rollback => 2,
	prepare_transaction => 1);
my %alone = (begin => 12, vacuum => 6);
my %always = (
	insert => 30, insert_returning => 2, insert_wide => 2, insert_self => 3, copy => 8,
	procedure => 1, fail => 3, query_rows => 20, query_aggregate => 14, query_newest => 10,
	query_join => 8, query_window => 4, query_prepared => 3, query_cursor => 3, whole_table => 4,
	parallel => 2);
my %changes = (
	add_column => 2, drop_column => 2, rename_column => 2, retype_column => 1, truncate => 2,
	set_access_method => 1, set_tablespace => 1, rename_table => 1, copy_table => 1,
	analyze => 1, maintain => 10);
# What does not change the rows of a table.
my %reading = map { $_ => 1 } qw(query_rows query_aggregate query_newest query_join
  query_window query_prepared whole_table parallel vacuum);

sub commit { $_[0]->end_transaction('COMMIT') }
sub rollback { $_[0]->end_transaction('ROLLBACK') }
sub analyze { $_[0]->emit('ANALYZE t;') }

sub prepare_transaction
{
	my ($self) = @_;
	return if $self->{prepared};
	my $changed = $self->{tx}{changed};
	$self->prepare;
	# The table's definition must be settled before anything else can be said of it.
	$self->finish_changed if $changed;
}

sub finish_changed
{
	my ($self) = @_;
	my $before = $self->{prepared}{before};
	$self->finish_prepared;
	$self->set_state($before) if $self->{steps}[-1]{ours} =~ /^ROLLBACK/;
}

sub step
{
	my ($self) = @_;
	return $self->truncate
	  if $self->{rows} > ($self->{replace} ? 6000 : 25000) && !$self->{prepared};
	return $self->set_access_method if !$self->{ours} && !$self->{prepared} && chance(0.2);
	return $self->finish_prepared if $self->{prepared} && !$self->{tx} && chance(0.15);

	my %weights = (%always, $self->{tx} ? %in_transaction : %alone);
	%weights = (%weights, %changes) if !$self->{prepared};
	delete $weights{maintain} if $self->{tx} && $self->{tx}{level} ne '';
	# What has been prepared must not be in the way of the trigger.
	delete @weights{ grep { !$reading{$_} } keys %weights } if $self->{prepared} && $self->{replace};
	my $total = 0;
	$total += $_ foreach values %weights;
	my $pick = rand $total;
	foreach my $name (sort keys %weights)
	{
		$pick -= $weights{$name};
		next if $pick >= 0;
		$self->{tx}{changed} = 1 if $self->{tx} && $changes{$name};
		return $self->$name;
	}
}

1;
