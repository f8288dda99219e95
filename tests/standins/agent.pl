# An agent for the Fortress server, as plain as one can be: asks the model once, and leaves what it said.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;

sub slurp {
    my ($path) = @_;
    open my $file, '<:encoding(UTF-8)', $path or die "$path: $!";
    local $/;
    return <$file>;
}

my ($input, $output) = @ENV{qw(FORTRESS_INPUT FORTRESS_OUTPUT)};
my $question = {
    model    => $ENV{FORTRESS_MODEL},
    messages => [
        { role => 'system', content => slurp("$input/system.txt") },
        { role => 'user',   content => slurp("$input/content.txt") },
    ],
};
my $reply = HTTP::Tiny->new(timeout => 50)->post(
    "$ENV{OPENAI_BASE_URL}/chat/completions",
    { headers => { 'content-type' => 'application/json' }, content => encode_json($question) },
);
die "the model answered $reply->{status}" unless $reply->{success};
my $message = decode_json($reply->{content})->{choices}[0]{message};
open my $file, '>:encoding(UTF-8)', "$output/output.txt" or die "output: $!";
print $file $message->{content} // $message->{refusal};
close $file or die "output: $!";
