# SPDX-License-Identifier: GPL-2.0
# Draws the counts of the site at its size, in the directory of its results;
# "runs" are the kernels, "scale" is 1000 for the whole site.

set terminal svg size 800,1300 enhanced background rgb 'white'
set output 'counts.svg'
set multiplot layout 4,1 title 'Connections of the directors, in millions'
set key outside right noenhanced
set xlabel 'hours since six'
set grid
set xtics 0,2
set yrange [0:*]

colour(run) = run eq 'ours' ? 0x1f77b4 : 0xd62728
file(n) = word(runs, n) . '/hours.tsv'
words_of = 'PersistConn ActiveConn InActConn'
seed = '3.216362 4.294764 4.459451'

do for [i = 0:2] {
	set title word(words_of, i + 1)
	plot word(seed, i + 1) * scale / 1000 with lines dashtype 3 \
			linecolor rgb 'gray' title "the seed's master", \
		file(1) skip 1 using 1:(column(2 + i) / 1e6) with lines \
			linewidth 4 linecolor rgb 'light-gray' title 'master', \
		for [n = 1:words(runs)] file(n) skip 1 \
			using 1:(column(5 + i) / 1e6) with lines linewidth 2 \
			linecolor rgb colour(word(runs, n)) \
			title word(runs, n) . ', backup', \
		for [n = 1:words(runs)] file(n) skip 1 \
			using 1:(column(8 + i) / 1e6) with lines linewidth 2 \
			dashtype 2 linecolor rgb colour(word(runs, n)) \
			title word(runs, n) . ', late'
}
set title 'Bytes on the sync link in the hour, in millions'
plot for [n = 1:words(runs)] before = NaN, file(n) skip 1 \
	using 1:(now = $12, step = now - before, before = now, step / 1e6) \
	with lines linewidth 2 linecolor rgb colour(word(runs, n)) \
	title word(runs, n)
unset multiplot
