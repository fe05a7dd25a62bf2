/** What a value is once it has been written as JSON: nothing of it is still to be read from native memory. */
export const plain = (value: object) => JSON.parse(JSON.stringify(value));
