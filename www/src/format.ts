/** 1536 → "1.5 KiB". */
export function bytes(count: number): string {
  if (count < 1024) return `${count} ${count === 1 ? 'byte' : 'bytes'}`;
  const units = ['KiB', 'MiB', 'GiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** 75000 → "1 min 15 s". */
export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The time of day for today, else the date. */
export function moment(ms: number): string {
  const then = new Date(ms);
  return then.toDateString() === new Date().toDateString()
    ? then.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' })
    : then.toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' });
}
