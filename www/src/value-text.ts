export type View = 'text' | 'hex';

/** `bytes` as text, or `undefined` where they are not UTF-8 and would not come back the same. */
export function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** `bytes` as hexadecimal, sixteen to a line. */
export function asHex(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const line = Array.from(bytes.subarray(start, start + 16), (byte) => byte.toString(16).padStart(2, '0'));
    lines.push(line.join(' '));
  }
  return lines.join('\n');
}

/** The bytes that `text` spells in `view`. Throws an error for the reader when it spells none. */
export function toBytes(text: string, view: View): Uint8Array {
  if (view === 'text') return new TextEncoder().encode(text);
  const wrong = /[^0-9a-f\s]/i.exec(text);
  if (wrong) throw new Error(`“${wrong[0]}” is no hexadecimal digit. Write bytes as 00 to ff, such as 4d 69 72.`);
  const digits = text.replace(/\s/g, '');
  if (digits.length % 2 !== 0) throw new Error('The last byte has one digit only. Write each byte with two, such as 0a.');
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
