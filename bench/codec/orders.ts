/** The content that every codec encodes: orders of three sizes, as plain objects. */

export interface Item {
  readonly sku: string;
  readonly quantity: number;
  readonly price: number;
  readonly title: string;
  readonly discount: number;
  readonly gift: boolean;
}

export interface Order {
  readonly id: number;
  readonly placedAtMs: number;
  readonly customer: string;
  readonly state: 0 | 1 | 2;
  readonly total: number;
  readonly items: readonly Item[];
  readonly campaigns: readonly number[];
  readonly notes: Readonly<Record<string, string>>;
}

/** One size, with different orders of it, so that no codec sees the same one every time. */
export interface Size {
  readonly name: string;
  readonly orders: readonly Order[];
}

const VARIANTS = 64;
const CUSTOMERS = ["Ada", "Charles", "Grace Hopper", "Łukasz Żółć", "Annie Easley", "Jean", "Zuse", "Radia"];
const TITLES = ["Cog wheel, brass", "Punched cards, 500", "Oil", "Crank handle", "Tape, 300 m", "Kümmel", "Bell", "Manual, 2nd edition"];

const variants = (make: (variant: number) => Order) => Array.from({ length: VARIANTS }, (_, variant) => make(variant));

/** About 20, 180 and 2,000 bytes as protobuf. */
export const SIZES: readonly Size[] = [
  { name: "20 B", orders: variants((variant) => ({ ...head(variant), state: 0, total: 0, items: [], campaigns: [], notes: {} })) },
  { name: "180 B", orders: variants((variant) => order(variant, 3, 3, 1)) },
  { name: "2,000 B", orders: variants((variant) => order(variant, 40, 40, 6)) },
];

function head(variant: number) {
  return {
    id: 1000 + variant * 77,
    placedAtMs: 1_760_000_000_000 + variant * 86_400_123,
    customer: CUSTOMERS[variant % CUSTOMERS.length]!,
  };
}

function order(variant: number, itemCount: number, campaignCount: number, noteCount: number): Order {
  const items = Array.from({ length: itemCount }, (_, i) => item(variant * 7 + i));
  return {
    ...head(variant),
    state: 2,
    total: items.reduce((sum, { price, quantity }) => sum + price * quantity, 0),
    items,
    campaigns: Array.from({ length: campaignCount }, (_, i) => 90 + variant * i * 11),
    notes: Object.fromEntries(Array.from({ length: noteCount }, (_, i) => [`note ${i}`, "Please ring twice"])),
  };
}

function item(seed: number): Item {
  return {
    sku: `SKU-${1000 + ((seed * 37) % 9000)}`,
    quantity: 1 + (seed % 200),
    price: 0.25 + (seed % 1000) / 4,
    title: TITLES[seed % TITLES.length]!,
    discount: (seed % 11) - 5,
    gift: seed % 3 === 0,
  };
}
