# SPDX-License-Identifier: GPL-2.0
# Draws what the experiment found, in the directory of its results; "runs"
# are the names of the days.

set terminal svg size 800,1000 enhanced background rgb 'white'
set style fill solid

# A colour for a kernel, a pattern for a setting
colour(run) = substr(run, 1, 4) eq 'ours' ? 0x1f77b4 : 0xd62728
dash(i) = 1 + (i - 1) / 2 % 6

set output 'deviation.svg'
set multiplot layout 3,1 title "Counts of the backup against the master's"
set key outside right noenhanced
set xlabel 'hour'
set ylabel '%'
set grid
set xtics 0,2
set xzeroaxis
do for [i = 0:2] {
	set title word('PersistConn ActiveConn InActConn', i + 1)
	plot for [n = 1:words(runs)] word(runs, n) . '/hours.tsv' skip 1 \
		using 1:(100.0 * (column(5 + i) - column(2 + i)) / \
			column(2 + i)) \
		with lines linewidth 2 dashtype dash(n) \
		linecolor rgb colour(word(runs, n)) title word(runs, n)
}
unset multiplot

set terminal svg size 800,500 enhanced background rgb 'white'
set output 'traffic.svg'
set title 'Sync traffic of the day, by what the records are about'
unset xlabel
unset grid
set ylabel 'MB'
set style data histograms
set style histogram rowstacked
set boxwidth 0.7
set xtics rotate by -45 noenhanced
set key autotitle columnheader
plot for [i = 2:6] 'bytes.tsv' using i:xtic(1)
